"""Words, bars and pictures that several sections share."""
