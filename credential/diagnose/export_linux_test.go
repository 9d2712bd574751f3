package diagnose

// HasMountPoint is exported for tests, which cannot mount anything.
var HasMountPoint = hasMountPoint
