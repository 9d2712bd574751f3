package tokenfile

import "context"

// Await lets the tests hang a read, which no ordinary file does.
func Await(ctx context.Context, f func() (string, error)) (string, error) {
	return await(ctx, make(chan struct{}, 1), f)
}
