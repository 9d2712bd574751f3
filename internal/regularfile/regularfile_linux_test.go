package regularfile_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/regularfile"
)

// Address 0 of a process cannot be read, although the file that it is in says that it is a regular one.
func TestReadThatFailsIsNotAShortFile(t *testing.T) {
	content, err := regularfile.Read("/proc/self/mem")
	require.ErrorIs(t, err, syscall.EIO)
	require.Empty(t, content)
}
