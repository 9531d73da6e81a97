"""What users write, checked and resolved: parameters, losses, constraints, data, labels."""
