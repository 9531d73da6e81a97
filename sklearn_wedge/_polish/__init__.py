"""From a network that somebody else has trained to the best one."""
