package blobstorage_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/azuresdk/blobstorage"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

const account = "https://shop.blob.core.windows.net"

// newPod serves an account that stores blobs by path.
func newPod(audience string) *pod.Pod {
	p := pod.New()
	var blobs sync.Map
	p.Serve("shop.blob.core.windows.net", audience, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			blobs.Store(r.URL.Path, body)
			w.WriteHeader(http.StatusCreated)
			return
		}
		body, found := blobs.Load(r.URL.Path)
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(body.([]byte))
	})
	return p
}

func ExampleNew() {
	p := newPod("https://storage.azure.com") // replaces Azure
	defer p.Close()
	ctx := context.Background()

	client, err := blobstorage.New(account, p.Credential(), &azblob.ClientOptions{ClientOptions: p.SDK()})
	if err != nil {
		panic(err)
	}
	if _, err := client.UploadBuffer(ctx, "orders", "1.txt", []byte("two apples"), nil); err != nil {
		panic(err)
	}
	blob, err := client.DownloadStream(ctx, "orders", "1.txt", nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = blob.Body.Close() }()
	text, err := io.ReadAll(blob.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
	// Output:
	// two apples
}

func TestAudienceOfOneAccount(t *testing.T) {
	p := newPod(account)
	t.Cleanup(p.Close)
	client, err := blobstorage.New(account, p.Credential(), &azblob.ClientOptions{ClientOptions: p.SDK(), Audience: account})
	require.NoError(t, err)

	_, err = client.UploadBuffer(t.Context(), "orders", "1.txt", []byte("two apples"), nil)

	require.NoError(t, err)
}

func TestNilOptions(t *testing.T) {
	p := newPod(account)
	t.Cleanup(p.Close)

	_, err := blobstorage.New(account, p.Credential(), nil)

	require.NoError(t, err)
}
