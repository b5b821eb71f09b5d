"""The engines: what decodes and scores the blocks of the stream, on this machine or on a cluster of Ray."""
