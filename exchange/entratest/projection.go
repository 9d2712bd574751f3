package entratest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Names from the kubelet's AtomicWriter (pkg/volume/util/atomic_writer.go).
const (
	dataLink    = "..data"
	newDataLink = "..data_tmp"
)

// Projection is a volume with a service-account token, laid out as by the kubelet:
//
//	dir/..2026_11_22_12_01_03.3204035042/name   the token, without a newline, mode 0644
//	dir/..data -> ..2026_11_22_12_01_03.3204035042
//	dir/name   -> ..data/name
//
// If name includes a directory, as in "token/azure-identity-token", dir links only to its first
// directory: dir/token -> ..data/token.
//
// It is safe for concurrent use.
type Projection struct {
	cluster *Cluster
	dir     string
	name    string
	request TokenRequest

	mu      sync.Mutex
	token   string
	current string // the directory that ..data points to
}

// Project issues a token and projects it into dir. It creates dir if necessary; dir must not hold a
// projection yet. name is the file's path relative to dir. An empty name means
// "token/azure-identity-token", the path that the workload identity webhook uses since v1.6.0;
// earlier versions use "azure-identity-token".
//
// Nothing removes the files, so use a temporary directory, such as testing.T.TempDir. If the system
// does not allow symbolic links, as for most users of Windows, Project returns the system's error.
func (c *Cluster) Project(dir, name string, r TokenRequest) (*Projection, error) {
	name = cmp.Or(name, webhookTokenPath)
	if !filepath.IsLocal(name) || filepath.Clean(name) == "." || strings.HasPrefix(name, "..") {
		return nil, fmt.Errorf("entratest: %#q is not a valid path for a projected file", name)
	}
	if _, err := os.Lstat(filepath.Join(dir, dataLink)); err == nil {
		return nil, fmt.Errorf("entratest: %#q already holds a projection", dir)
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

// Path returns the path of the token file, the value for AZURE_FEDERATED_TOKEN_FILE.
func (p *Projection) Path() string { return filepath.Join(p.dir, p.name) }

// Token returns the token that is now in the file.
func (p *Projection) Token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.token
}

// Rotate replaces the token in the file with a new one, by a single rename. A reader sees either
// token, whole. As on a real node, a reader can also get fs.ErrNotExist, if it followed ..data to
// the old directory just before that was removed. If Rotate fails before the rename, the old token
// stays in place.
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
		return fmt.Errorf("entratest: the token was rotated, but its old directory could not be removed: %w", err)
	}
	return nil
}

// write creates a new directory with the token in it. If only the file fails, it returns both the
// directory and the error.
func (p *Projection) write(token string) (dir string, err error) {
	dir, err = os.MkdirTemp(p.dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return "", err
	}
	dir = filepath.Clean(dir)
	file := filepath.Join(dir, p.name)
	err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(token), 0o644), os.Chmod(file, 0o644))
	for at := filepath.Dir(file); len(at) >= len(dir); at = filepath.Dir(at) { // containers of other users read it, whatever the umask
		err = errors.Join(err, os.Chmod(at, 0o755))
	}
	return dir, err
}

func (p *Projection) swap(dir string) error {
	link := filepath.Join(p.dir, newDataLink)
	if err := os.Symlink(filepath.Base(dir), link); err != nil {
		return err
	}
	err := os.Rename(link, filepath.Join(p.dir, dataLink))
	if err != nil {
		err = errors.Join(err, os.Remove(link)) // otherwise the next rotation would fail
	}
	return err
}

func remove(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
