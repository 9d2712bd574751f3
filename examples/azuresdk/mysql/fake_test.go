package mysql_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

const host = "shop.mysql.database.azure.com"

// server implements the part of MySQL's protocol that sign-in and ping need: TLS, the password in
// clear text, and commands without a result.
type server struct {
	listener net.Listener
	tls      *tls.Config
	verifier pod.Verifier
	number   uint16 // error number for refused tokens; set before the first connection

	mu        sync.Mutex
	users     []string
	passwords []string // secret: compare, do not print
}

func serve(p *pod.Pod) *server {
	certificate, err := p.CA.Certificate(host)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := &server{
		listener: listener,
		tls:      &tls.Config{Certificates: []tls.Certificate{certificate}},
		verifier: p.Verifier("https://ossrdbms-aad.database.windows.net"),
		number:   1045,
	}
	p.Lead(host, listener.Addr().String())
	go s.accept()
	return s
}

func (s *server) close() { _ = s.listener.Close() }

func (s *server) accept() {
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = connection.Close() }()
			_ = s.session(connection) // the client sees the error
		}()
	}
}

const (
	// CLIENT_LONG_PASSWORD, _PROTOCOL_41, _SSL, _SECURE_CONNECTION, _PLUGIN_AUTH and
	// _CONNECT_WITH_DB;
	// https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html
	capabilities = 0x1 | 0x200 | useTLS | 0x8000 | 0x80000 | 0x8
	useTLS       = 0x800
)

func (s *server) session(plain net.Conn) error {
	c := &packets{Conn: plain}
	greeting := []byte("\x0a8.0.40-azure\x00" + "\x01\x00\x00\x00" + "12345678\x00")
	greeting = binary.LittleEndian.AppendUint16(greeting, capabilities&0xffff)
	greeting = append(greeting, "\xff\x02\x00"...)
	greeting = binary.LittleEndian.AppendUint16(greeting, capabilities>>16)
	greeting = append(greeting, "\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"+"123456789012\x00"+"caching_sha2_password\x00"...)
	if err := c.write(greeting); err != nil {
		return err
	}
	request, err := c.read()
	if err != nil {
		return err
	}
	if len(request) != 32 || binary.LittleEndian.Uint32(request)&useTLS == 0 {
		return c.fail(3159, "Connections using insecure transport are prohibited while --require_secure_transport=ON.")
	}
	c.Conn = tls.Server(plain, s.tls)
	if err := s.signIn(c); err != nil {
		return c.fail(s.number, err.Error())
	}
	for {
		if err := c.write([]byte("\x00\x00\x00\x02\x00\x00\x00")); err != nil { // OK
			return err
		}
		c.next = 0
		if command, err := c.read(); err != nil || command[0] == 1 { // COM_QUIT
			return err
		}
	}
}

// signIn switches to the plugin that sends the password in clear text, as the server does for a
// user created for an identity.
func (s *server) signIn(c *packets) error {
	response, err := c.read()
	if err != nil || len(response) < 33 {
		return errors.Join(err, errors.New("no handshake response"))
	}
	user, _, _ := bytes.Cut(response[32:], []byte{0})
	if err := c.write([]byte("\xfemysql_clear_password\x00")); err != nil {
		return err
	}
	answer, err := c.read()
	if err != nil {
		return err
	}
	password := string(bytes.TrimSuffix(answer, []byte{0}))
	s.mu.Lock()
	s.users, s.passwords = append(s.users, string(user)), append(s.passwords, password)
	s.mu.Unlock()
	return s.verifier.Token(password)
}

func (s *server) seen() (users, passwords []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.users...), append([]string(nil), s.passwords...)
}

// packets frames messages on a connection. The header is three bytes of length and a sequence
// number.
type packets struct {
	net.Conn
	next byte
}

func (p *packets) read() ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(p.Conn, header[:]); err != nil {
		return nil, err
	}
	p.next = header[3] + 1
	body := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
	_, err := io.ReadFull(p.Conn, body)
	return body, err
}

func (p *packets) write(body []byte) error {
	n := len(body)
	_, err := p.Conn.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), p.next}, body...))
	p.next++
	return err
}

func (p *packets) fail(number uint16, message string) error {
	return p.write(append(binary.LittleEndian.AppendUint16([]byte{0xff}, number), "#28000"+message...))
}
