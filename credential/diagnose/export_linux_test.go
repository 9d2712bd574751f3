package diagnose

// HasMountPoint is for tests: what is mounted is the system's.
var HasMountPoint = hasMountPoint
