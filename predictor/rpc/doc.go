// Package rpc carries the vocabulary's ports over gRPC: a Server for any of
// predictor.Estimator, History, Models and Queue, and a Client that gives them back
// on the other side. Both sides and the conversions between proto and vocabulary
// are here; nothing else imports the generated code.
//
// # Errors
//
// A handler's error becomes a status and the client makes the same error of it, so
// that errors.Is and errors.As see no difference between a port and its remote twin:
//
//	*predictor.ValidationError   INVALID_ARGUMENT     BadRequest, one field a violation
//	predictor.ErrNoModel         UNAVAILABLE          ErrorInfo NO_MODEL
//	predictor.ErrNotFound        NOT_FOUND            ErrorInfo NOT_FOUND
//	predictor.ErrDamaged         DATA_LOSS            ErrorInfo DAMAGED
//	context.DeadlineExceeded     DEADLINE_EXCEEDED
//	context.Canceled             CANCELLED
//	ErrUnauthenticated           UNAUTHENTICATED
//	ErrForbidden                 PERMISSION_DENIED
//	an Access that cannot tell   UNAVAILABLE          the details stay in the server's log
//	anything else                INTERNAL             the same
//
// Of the last four the client knows the code only. The text of the errors with a name
// travels with them; it must hold no secrets.
//
// # Limits
//
// PredictBatch, PredictRemaining and RecordJobs take at most MaxBatch elements, and
// a server no message above its MaxReceiveBytes (RESOURCE_EXHAUSTED). The client
// splits Estimate and Remaining into messages that fit, so that one call may meet
// two models; Put is all or none and so is never split.
//
// # Retries and streams
//
// The client retries calls that change nothing or are idempotent, with backoff,
// while the server is UNAVAILABLE. ErrNoModel is not retried: the server asks for
// that with grpc-retry-pushback-ms. Publish and Promote are not retried: a second
// attempt could undo what another caller did in between.
//
// The iterators of Follow, Watch and WatchWaiting do not reconnect. When the server
// goes away they yield an error last; the caller calls again, after the sequence it
// has seen last, and so decides itself how long to wait and what to tell.
//
// # Security
//
// There is no encryption and no authentication without TLS, which is why a
// configuration without it is refused beyond loopback unless it says Insecure. With
// a client CA only clients that hold its certificates get in. Who got in may do
// everything the server offers, unless an Access decides about each call. Files are
// read again for each connection, so that renewed certificates need no restart.
package rpc
