package sqlserver_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"unicode/utf16"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

const host = "shop.database.windows.net"

// server implements the part of TDS that sign-in and ping need: TLS before TDS (encrypt=strict) or
// inside TDS (encrypt=true), the token in the login, and statements without a result. Section
// numbers refer to
// https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/b46a581a-39de-4745-b076-ec4dbb7d13ec.
type server struct {
	tls      *tls.Config
	verifier pod.Verifier
	number   int32                  // error number for refused tokens; set before the first connection
	network  func() (a, b net.Conn) // net.Pipe in a synctest bubble

	mu     sync.Mutex
	tokens []string // secret: compare, do not print
}

func serve(p *pod.Pod) *server {
	certificate, err := p.CA.Certificate(host)
	if err != nil {
		panic(err)
	}
	return &server{
		// A session ticket would block: nobody reads from the pipe while the client writes.
		tls:      &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"tds/8.0"}, SessionTicketsDisabled: true},
		verifier: p.Verifier("https://database.windows.net"),
		number:   18456,
		network:  loopback,
	}
}

func loopback() (a, b net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer func() { _ = listener.Close() }()
	if a, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		panic(err)
	}
	if b, err = listener.Accept(); err != nil {
		panic(err)
	}
	return a, b
}

// DialContext connects a client to the server.
func (s *server) DialContext(context.Context, string, string) (net.Conn, error) {
	client, plain := s.network()
	go func() {
		defer func() { _ = plain.Close() }()
		_ = s.session(plain) // the client sees the error
	}()
	return client, nil
}

// HostName keeps the driver from resolving the name.
func (s *server) HostName() string { return host }

// Message types, section 2.2.3.1.1.
const (
	reply    = 4
	login7   = 16
	prelogin = 18
)

func (s *server) session(plain net.Conn) error {
	connection, strict, err := s.secureFirst(plain)
	if err != nil {
		return err
	}
	if kind, _, err := read(connection); err != nil || kind != prelogin {
		return errors.Join(err, errors.New("no prelogin"))
	}
	// Options of one byte each: ENCRYPTION is required, and so is FEDAUTH. Section 2.2.6.5.
	if err := write(connection, reply, []byte{1, 0, 11, 0, 1, 6, 0, 12, 0, 1, 0xff, 3, 1}); err != nil {
		return err
	}
	if !strict {
		if connection, err = s.secureInside(plain); err != nil {
			return err
		}
	}
	if err := s.signIn(connection); err != nil {
		return write(connection, reply, append(failure(s.number, err.Error()), done(2)...))
	}
	loginAck := append([]byte{0xad, 10, 0, 1, 0x74, 0, 0, 4, 0, 16, 0, 0, 0}, 0xae, 2, 0, 0, 0, 0, 0xff)
	for answer := append(loginAck, done(0)...); ; answer = done(0) {
		if err := write(connection, reply, answer); err != nil {
			return err
		}
		if _, _, err := read(connection); err != nil {
			return err
		}
	}
}

// secureFirst starts TLS first if the client does.
func (s *server) secureFirst(plain net.Conn) (net.Conn, bool, error) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(plain, first); err != nil {
		return nil, false, err
	}
	again := &rest{plain, first}
	if first[0] != 0x16 { // not a TLS handshake record
		return again, false, nil
	}
	connection := tls.Server(again, s.tls)
	return connection, true, connection.Handshake()
}

// secureInside performs the TLS handshake inside prelogin messages. SQL Server uses TLS 1.2 for
// that.
func (s *server) secureInside(plain net.Conn) (net.Conn, error) {
	config := s.tls.Clone()
	config.MaxVersion = tls.VersionTLS12
	wrapped := &handshake{Conn: plain}
	connection := tls.Server(wrapped, config)
	err := connection.Handshake()
	wrapped.over = true
	return connection, err
}

// signIn finds the token in the login message, section 2.2.6.4.
func (s *server) signIn(connection net.Conn) error {
	kind, login, err := read(connection)
	if err != nil || kind != login7 || len(login) < 94 {
		return errors.Join(err, errors.New("no login"))
	}
	if passwords := binary.LittleEndian.Uint16(login[46:]); passwords != 0 {
		return errors.New("a password")
	}
	extension := login[binary.LittleEndian.Uint16(login[56:]):]
	feature := login[binary.LittleEndian.Uint32(extension):]
	if feature[0] != 2 || feature[5]&0xfe != 2 { // FEDAUTH with a security token
		return errors.New("no security token")
	}
	encoded := feature[10:][:binary.LittleEndian.Uint32(feature[6:])]
	units := make([]uint16, len(encoded)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(encoded[2*i:])
	}
	token := string(utf16.Decode(units))
	s.mu.Lock()
	s.tokens = append(s.tokens, token)
	s.mu.Unlock()
	return s.verifier.Token(token)
}

func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.tokens...)
}

// failure returns an ERROR token, section 2.2.7.10.
func failure(number int32, message string) []byte {
	text := utf16.Encode([]rune(message))
	b := binary.LittleEndian.AppendUint16([]byte{0xaa}, uint16(14+2*len(text)))
	b = binary.LittleEndian.AppendUint32(b, uint32(number))
	b = append(b, 1, 14) // state, severity
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	for _, unit := range text {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return append(b, 0, 0, 0, 0, 0, 0) // server, procedure, line
}

// done returns a DONE token, section 2.2.7.6.
func done(status byte) []byte { return []byte{0xfd, status, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} }

// read reads a message of one or more packets.
func read(r io.Reader) (kind byte, message []byte, err error) {
	for {
		var header [8]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return 0, nil, err
		}
		body := make([]byte, int(binary.BigEndian.Uint16(header[2:]))-len(header))
		if _, err := io.ReadFull(r, body); err != nil {
			return 0, nil, err
		}
		message = append(message, body...)
		if header[1]&1 != 0 { // the last packet
			return header[0], message, nil
		}
	}
}

func write(w io.Writer, kind byte, message []byte) error {
	packet := binary.BigEndian.AppendUint16([]byte{kind, 1}, uint16(8+len(message)))
	_, err := w.Write(append(append(packet, 0, 0, 1, 0), message...))
	return err
}

// handshake wraps writes into prelogin messages and unwraps reads, until the handshake is over.
type handshake struct {
	net.Conn
	unread []byte
	over   bool
}

func (h *handshake) Read(b []byte) (int, error) {
	if h.over {
		return h.Conn.Read(b)
	}
	if len(h.unread) == 0 {
		var err error
		if _, h.unread, err = read(h.Conn); err != nil {
			return 0, err
		}
	}
	n := copy(b, h.unread)
	h.unread = h.unread[n:]
	return n, nil
}

func (h *handshake) Write(b []byte) (int, error) {
	if h.over {
		return h.Conn.Write(b)
	}
	return len(b), write(h.Conn, prelogin, b)
}

// rest is a connection whose first bytes were already read.
type rest struct {
	net.Conn
	first []byte
}

func (r *rest) Read(b []byte) (int, error) {
	if len(r.first) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.first)
	r.first = r.first[n:]
	return n, nil
}
