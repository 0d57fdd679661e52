//! The transports: UDP, TCP, and hickory-server's for DoT and DoH.
