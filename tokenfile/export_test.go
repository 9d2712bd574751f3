package tokenfile

import "context"

// Await lets the tests hang a read, which no ordinary file does.
func (s *Source) Await(ctx context.Context, f func() (string, error)) (string, error) {
	return s.await(ctx, f)
}
