package tokenfile

import "context"

// Await lets tests simulate a read that hangs. No ordinary file does.
func (s *Source) Await(ctx context.Context, f func() (string, error)) (string, error) {
	return s.await(ctx, f)
}
