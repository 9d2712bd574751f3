package repository_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/internal/webhook"
)

// TestOneWebhook checks that sources, manifests and documents describe the webhook's pods as
// package webhook does. Only that package knows the older layout.
func TestOneWebhook(t *testing.T) {
	known := []string{
		webhook.LabelUse, webhook.AnnotationClientID, webhook.AnnotationTenantID, webhook.AnnotationExpiration,
		webhook.AnnotationSkipContainers, webhook.AnnotationIdentityBinding,
		webhook.V160.MountPath, webhook.V160.TokenFile(), webhook.CAFile,
	}
	name := regexp.MustCompile(`azure\.workload\.identity/[a-z-]*[a-z]|/var/run/secrets/azure\b[\w/.-]*[\w-]`)
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		relative := filepath.ToSlash(strings.TrimPrefix(file, root+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (slices.Contains([]string{".git", ".debian", "node_modules"}, entry.Name()) || relative == "internal/webhook"):
			return fs.SkipDir
		case !slices.Contains([]string{".go", ".md", ".yaml", ".tf", ".bicep", ".sh", ".txt"}, path.Ext(file)):
			return nil
		}
		text, err := os.ReadFile(file)
		for _, mention := range name.FindAllString(string(text), -1) {
			assert.Containsf(t, known, mention, "%s names %s", relative, mention)
		}
		return err
	}))
}

// The fake defines these names itself, because it imports nothing from this module.
func TestPodOfTheFakeIsTheWebhooks(t *testing.T) {
	links.Need(t)
	dir := t.TempDir()
	p, err := entratest.NewPod(dir, nil)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, filepath.FromSlash(webhook.V160.TokenPath)), p.TokenFile)
	var names []string
	for _, variable := range p.Env() {
		name, value, _ := strings.Cut(variable, "=")
		names = append(names, name)
		assert.True(t, name != webhook.EnvAuthority || strings.HasSuffix(value, "/"), variable)
	}
	assert.Equal(t, []string{webhook.EnvClientID, webhook.EnvTenantID, webhook.EnvTokenFile, webhook.EnvAuthority}, names)
	assert.Equal(t, []string{webhook.Audience}, p.Trusted.Audiences)
}
