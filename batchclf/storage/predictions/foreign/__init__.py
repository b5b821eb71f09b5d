"""Tables of predictions that something else wrote: file formats, and the shapes that their columns have."""
