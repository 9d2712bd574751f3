package postgres_test

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

const host = "shop.postgres.database.azure.com"

// server implements the part of PostgreSQL's protocol that sign-in and ping need: TLS, the password
// in clear text, and empty queries.
type server struct {
	listener net.Listener
	tls      *tls.Config
	verifier pod.Verifier

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

func (s *server) session(plain net.Conn) error {
	connection, err := s.secure(plain)
	if err != nil {
		return err
	}
	backend := pgproto3.NewBackend(connection, connection)
	if err := s.signIn(backend); err != nil {
		backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: err.Error()})
		return backend.Flush()
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	for {
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := backend.Flush(); err != nil {
			return err
		}
		message, err := backend.Receive()
		if err != nil {
			return err
		}
		if _, query := message.(*pgproto3.Query); !query {
			return nil // Terminate
		}
		backend.Send(&pgproto3.EmptyQueryResponse{})
	}
}

// secure answers the request for TLS, which comes first.
func (s *server) secure(plain net.Conn) (net.Conn, error) {
	first, err := pgproto3.NewBackend(plain, plain).ReceiveStartupMessage()
	if err != nil {
		return nil, err
	}
	if _, asked := first.(*pgproto3.SSLRequest); !asked {
		return nil, errors.New("a connection without TLS")
	}
	if _, err := plain.Write([]byte("S")); err != nil {
		return nil, err
	}
	return tls.Server(plain, s.tls), nil
}

func (s *server) signIn(backend *pgproto3.Backend) error {
	first, err := backend.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	startup, ok := first.(*pgproto3.StartupMessage)
	if !ok {
		return errors.New("no startup message")
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := backend.Flush(); err != nil {
		return err
	}
	if err := backend.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return err
	}
	answer, err := backend.Receive()
	if err != nil {
		return err
	}
	password, ok := answer.(*pgproto3.PasswordMessage)
	if !ok {
		return errors.New("no password message")
	}
	s.mu.Lock()
	s.users, s.passwords = append(s.users, startup.Parameters["user"]), append(s.passwords, password.Password)
	s.mu.Unlock()
	return s.verifier.Token(password.Password)
}

func (s *server) seen() (users, passwords []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.users...), append([]string(nil), s.passwords...)
}
