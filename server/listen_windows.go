package server

// maxConnections is not bounded by descriptors on Windows.
func maxConnections() int { return 1 << 16 }
