"""What rounding may do to a sweep, compiled or not."""

# Components below this fraction of the largest coordinate are zero: the sample is on the flat.
ZERO_COMPONENT = 1e-12
# Values that differ by less than this fraction are equal but for rounding.
TIE = 1e-9
