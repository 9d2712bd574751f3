package entratest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The names that the kubelet's AtomicWriter uses (pkg/volume/util/atomic_writer.go).
const (
	dataLink    = "..data"
	newDataLink = "..data_tmp"
)

// Projection is a volume with a service-account token in it, laid out as the kubelet does:
//
//	dir/..2026_11_22_12_01_03.3204035042/name   the token, without a newline, mode 0644
//	dir/..data -> ..2026_11_22_12_01_03.3204035042
//	dir/name   -> ..data/name
//
// It is safe for concurrent use.
type Projection struct {
	cluster *Cluster
	dir     string
	name    string
	request TokenRequest

	mu      sync.Mutex
	token   string
	current string // the directory that ..data leads to
}

// Project issues a token and projects it into dir, which is made if need be and must not hold a projection yet. name is the file's, relative
// to dir; it may be nested, as in "token/azure-identity-token". Nothing is removed at the end: use a directory that is, as
// testing.T.TempDir. Where symbolic links are not allowed, as for most users of Windows, it returns the system's error.
func (c *Cluster) Project(dir, name string, r TokenRequest) (*Projection, error) {
	if !filepath.IsLocal(name) || filepath.Clean(name) == "." || strings.HasPrefix(name, "..") {
		return nil, fmt.Errorf("entratest: %q cannot be the name of a projected file", name)
	}
	if _, err := os.Lstat(filepath.Join(dir, dataLink)); err == nil {
		return nil, fmt.Errorf("entratest: %s holds a projection already", dir)
	}
	p := &Projection{cluster: c, dir: dir, name: filepath.Clean(name), request: r}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("entratest: %w", err)
	}
	if err := p.Rotate(); err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(p.name, string(filepath.Separator))
	if err := os.Symlink(filepath.Join(dataLink, first), filepath.Join(dir, first)); err != nil {
		return nil, fmt.Errorf("entratest: %w", err)
	}
	return p, nil
}

// Path returns the file that a program reads, the value for AZURE_FEDERATED_TOKEN_FILE.
func (p *Projection) Path() string { return filepath.Join(p.dir, p.name) }

// Token returns what is in the file now.
func (p *Projection) Token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.token
}

// Rotate puts a new token into the file, by one rename. A reader sees the old token or the new one, whole; but it can
// meet fs.ErrNotExist when it has followed ..data to the old directory just before that is removed, as on a real node.
// After an error the old token is still there.
func (p *Projection) Rotate() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	token, err := p.cluster.Token(p.request)
	if err != nil {
		return fmt.Errorf("entratest: %w", err)
	}
	next, err := p.write(token)
	if err == nil {
		err = p.swap(next)
	}
	if err != nil {
		return fmt.Errorf("entratest: %w", errors.Join(err, remove(next)))
	}
	old := p.current
	p.token, p.current = token, next
	if err := remove(old); err != nil {
		return fmt.Errorf("entratest: the token was rotated, but its old directory stays: %w", err)
	}
	return nil
}

// write makes a new directory with the token in it. It returns the directory even when it could not be filled.
func (p *Projection) write(token string) (dir string, err error) {
	dir, err = os.MkdirTemp(p.dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, p.name)
	return dir, errors.Join(
		os.Chmod(dir, 0o755), // MkdirTemp makes it private; other users' containers read it
		os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(file, []byte(token), 0o644),
		os.Chmod(file, 0o644), // whatever the umask
	)
}

func (p *Projection) swap(dir string) error {
	link := filepath.Join(p.dir, newDataLink)
	if err := os.Symlink(filepath.Base(dir), link); err != nil {
		return err
	}
	err := os.Rename(link, filepath.Join(p.dir, dataLink))
	if err != nil {
		err = errors.Join(err, os.Remove(link)) // or the next rotation would find it in its way
	}
	return err
}

func remove(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
