package credential

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
	"weak"

	"github.com/entrafed/entrafed/internal/redact"
)

// userID is the hash of a user's token. It identifies the user in the cache.
type userID [sha256.Size]byte

// userSecret is a user's access token for this application.
type userSecret struct{ token string }

// Format keeps every verb from printing the token.
func (*userSecret) Format(s fmt.State, _ rune) { fmt.Fprint(s, redact.Mark) }

// users finds users' tokens by their hashes. It keeps no token alive: a program creates a
// credential for each request of a user, and the token need not outlive it. The zero hash finds
// nothing.
type users struct {
	mu   sync.Mutex
	byID map[userID]weak.Pointer[userSecret]
}

// hold returns the token's hash, and the token itself. find returns the token as long as something
// holds it.
func (u *users) hold(token string) (userID, *userSecret) {
	id := userID(sha256.Sum256([]byte(token)))
	u.mu.Lock()
	defer u.mu.Unlock()
	if held := u.byID[id].Value(); held != nil {
		return id, held
	}
	if u.byID == nil {
		u.byID = make(map[userID]weak.Pointer[userSecret])
	}
	held := &userSecret{token}
	u.byID[id] = weak.Make(held)
	runtime.AddCleanup(held, u.drop, id)
	return id, held
}

// drop forgets a token that nothing holds.
func (u *users) drop(id userID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byID[id].Value() == nil { // it may have been added again
		delete(u.byID, id)
	}
}

// find returns the token, or nil if nothing holds it.
func (u *users) find(id userID) *userSecret {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byID[id].Value()
}
