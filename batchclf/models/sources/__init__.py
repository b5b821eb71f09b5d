"""Models made elsewhere: opened, and imported as a bundle."""
