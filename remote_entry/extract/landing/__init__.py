"""What becomes of the rows: parts, and the folder of a data set that has each part once."""
