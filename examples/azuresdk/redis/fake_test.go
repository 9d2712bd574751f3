package redis_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

const host = "shop.westeurope.redis.azure.net"

// server implements the part of Redis' protocol that sign-in, ping and subscribe need. User names
// are object IDs. The server closes a connection when its token expires. Its network is in memory,
// so it works in a synctest bubble.
type server struct {
	tls      *tls.Config
	verifier pod.Verifier

	mu          sync.Mutex
	connections int
	dropped     int      // connections whose token expired
	subscribed  int      // connections that subscribed
	refused     int      // tokens
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
		verifier: p.Verifier("https://redis.azure.com"),
	}
}

// dial connects a client to the server.
func (s *server) dial() net.Conn {
	client, plain := net.Pipe()
	go s.session(tls.Server(plain, s.tls))
	return client
}

func (s *server) session(connection *tls.Conn) {
	defer func() { _ = connection.NetConn().Close() }()
	if connection.Handshake() != nil {
		return
	}
	s.count(&s.connections)
	end := time.AfterFunc(time.Hour, func() {
		s.count(&s.dropped)
		_ = connection.NetConn().Close()
	})
	end.Stop()
	defer end.Stop()
	in, signedIn := bufio.NewReader(connection), false
	for {
		command, err := read(in)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch user, token, ok := credentials(command); {
		case ok:
			lifetime, err := s.signIn(user, token)
			if err != nil {
				answer = "-WRONGPASS invalid username-password pair\r\n"
				break
			}
			signedIn = true
			end.Reset(lifetime)
			if command[0] == "hello" {
				answer = "%1\r\n$5\r\nproto\r\n:3\r\n"
			}
		case !signedIn:
			answer = "-NOAUTH Authentication required.\r\n"
		case command[0] == "ping":
			answer = "+PONG\r\n"
		case command[0] == "subscribe":
			s.count(&s.subscribed)
			answer = fmt.Sprintf(">3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(command[1]), command[1])
		}
		if _, err := io.WriteString(connection, answer); err != nil {
			return
		}
	}
}

// credentials returns the user and token of an AUTH or HELLO command.
func credentials(command []string) (user, token string, ok bool) {
	switch {
	case command[0] == "auth" && len(command) == 3:
		return command[1], command[2], true
	case command[0] == "hello" && len(command) >= 5 && command[2] == "auth":
		return command[3], command[4], true
	}
	return "", "", false
}

// signIn returns the remaining lifetime of the token.
func (s *server) signIn(user, token string) (time.Duration, error) {
	var claims struct {
		ObjectID string `json:"oid"`
		Expiry   int64  `json:"exp"`
	}
	err := s.verifier.Token(token)
	if err == nil {
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		err = json.Unmarshal(payload, &claims)
	}
	if err == nil && user != claims.ObjectID {
		err = fmt.Errorf("unexpected user %q", user)
	}
	if err != nil {
		s.count(&s.refused)
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, token)
	return time.Until(time.Unix(claims.Expiry, 0)), nil
}

// read reads a command, which is an array of strings.
func read(in *bufio.Reader) ([]string, error) {
	n, err := number(in, "*")
	if err != nil || n == 0 {
		return nil, fmt.Errorf("no command: %w", err)
	}
	command := make([]string, n)
	for i := range command {
		length, err := number(in, "$")
		if err != nil {
			return nil, err
		}
		b := make([]byte, length+len("\r\n"))
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		command[i] = string(b[:length])
	}
	command[0] = strings.ToLower(command[0])
	return command, nil
}

func number(in *bufio.Reader, kind string) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, kind)))
}

func (s *server) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

func (s *server) read(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

func (s *server) signedIn() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.tokens...)
}
