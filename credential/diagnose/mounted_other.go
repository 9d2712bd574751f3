//go:build !linux

package diagnose

// mounted returns false: only Linux has /proc/self/mountinfo.
func mounted(string) bool { return false }
