"""The rules, without I/O: what is sent, what answers mean, when to try again. Both faces rest on it: async and sync."""
