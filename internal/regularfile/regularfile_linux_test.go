package regularfile_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/regularfile"
)

// This file claims to be a regular one, but address 0 of a process cannot be read.
func TestReadThatFailsIsNotAShortFile(t *testing.T) {
	content, err := regularfile.Read("/proc/self/mem")
	require.ErrorIs(t, err, syscall.EIO)
	require.Empty(t, content)
}
