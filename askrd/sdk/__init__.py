"""The SDK: services and clients of a daemon, which reach it over the wire only."""
