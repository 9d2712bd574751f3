package kafka_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

const host = "shop.servicebus.windows.net"

// server is a fake broker. Clients can sign in and list the brokers. It accepts tokens for its own
// host, and closes a connection when the token expires. Its network is in memory, so it works in a
// synctest bubble.
type server struct {
	tls      *tls.Config
	verifier pod.Verifier
	silent   bool // omits the session lifetime; set before the first connection

	mu          sync.Mutex
	connections int
	dropped     int      // connections whose token expired
	tokens      []string // used to sign in; secret, so compare but do not print
}

func serve(p *pod.Pod) *server {
	certificate, err := p.CA.Certificate(host)
	if err != nil {
		panic(err)
	}
	return &server{
		// A session ticket would block: nobody reads from the pipe while the client writes.
		tls:      &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true},
		verifier: p.Verifier("https://" + host),
	}
}

// dial connects a client to the broker.
func (s *server) dial() net.Conn {
	client, plain := net.Pipe()
	go s.session(tls.Server(plain, s.tls))
	return client
}

// connection is a connection to the broker.
type connection struct {
	*tls.Conn
	signedIn bool
	end      *time.Timer // runs until the token expires
}

func (s *server) session(t *tls.Conn) {
	defer func() { _ = t.NetConn().Close() }()
	if t.Handshake() != nil {
		return
	}
	s.count(&s.connections)
	c := &connection{Conn: t, end: time.AfterFunc(time.Hour, func() {
		s.count(&s.dropped)
		_ = t.NetConn().Close()
	})}
	c.end.Stop()
	defer c.end.Stop()
	for {
		if s.serve(c) != nil {
			return // the client sees the error
		}
	}
}

// serve handles one request.
func (s *server) serve(c *connection) error {
	var size int32
	if err := binary.Read(c, binary.BigEndian, &size); err != nil {
		return err
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(c, message); err != nil {
		return err
	}
	request := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(message)))
	request.SetVersion(int16(binary.BigEndian.Uint16(message[2:])))
	correlation, clientID := message[4:8], int(binary.BigEndian.Uint16(message[8:]))
	body := message[10+clientID:]
	if request.IsFlexible() {
		body = body[1:] // the empty tag buffer
	}
	if err := request.ReadFrom(body); err != nil {
		return err
	}
	response, err := s.answer(c, request)
	if err != nil {
		return err
	}
	response.SetVersion(request.GetVersion())
	var out bytes.Buffer
	out.Write([]byte{0, 0, 0, 0})
	out.Write(correlation)
	if response.IsFlexible() && request.Key() != kmsg.ApiVersions.Int16() {
		out.WriteByte(0)
	}
	out.Write(response.AppendTo(nil))
	binary.BigEndian.PutUint32(out.Bytes(), uint32(out.Len()-4))
	_, err = c.Write(out.Bytes())
	return err
}

func (s *server) answer(c *connection, request kmsg.Request) (kmsg.Response, error) {
	switch request := request.(type) {
	case *kmsg.ApiVersionsRequest:
		response := request.ResponseKind().(*kmsg.ApiVersionsResponse)
		for _, known := range []kmsg.Request{
			request, kmsg.NewPtrSASLHandshakeRequest(), kmsg.NewPtrSASLAuthenticateRequest(), kmsg.NewPtrMetadataRequest(),
		} {
			response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: known.Key(), MaxVersion: known.MaxVersion()})
		}
		return response, nil
	case *kmsg.SASLHandshakeRequest:
		response := request.ResponseKind().(*kmsg.SASLHandshakeResponse)
		response.SupportedMechanisms = []string{"OAUTHBEARER"}
		if request.Mechanism != "OAUTHBEARER" {
			response.ErrorCode = 33
		}
		return response, nil
	case *kmsg.SASLAuthenticateRequest:
		return s.signIn(c, request), nil
	case *kmsg.MetadataRequest:
		if !c.signedIn {
			return nil, errors.New("not signed in")
		}
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		response.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 0, Host: host, Port: 9093}}
		return response, nil
	}
	return nil, fmt.Errorf("unexpected request of type %T", request)
}

// signIn verifies the message of RFC 7628, section 3.1.
func (s *server) signIn(c *connection, request *kmsg.SASLAuthenticateRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	token, prefixed := strings.CutPrefix(string(request.SASLAuthBytes), "n,,\x01auth=Bearer ")
	token, suffixed := strings.CutSuffix(token, "\x01\x01")
	if err := s.verifier.Token(token); err != nil || !prefixed || !suffixed {
		reason := fmt.Sprint("Authentication failed: ", err)
		response.ErrorCode, response.ErrorMessage = 58, &reason // SASL_AUTHENTICATION_FAILED
		return response
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var claims struct {
		Expiry int64 `json:"exp"`
	}
	_ = json.Unmarshal(payload, &claims)
	lifetime := time.Until(time.Unix(claims.Expiry, 0))
	if !s.silent {
		response.SessionLifetimeMillis = lifetime.Milliseconds()
	}
	c.signedIn = true
	c.end.Reset(lifetime)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, token)
	return response
}

func (s *server) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

func (s *server) seen() (connections, dropped int, tokens []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections, s.dropped, append([]string(nil), s.tokens...)
}
