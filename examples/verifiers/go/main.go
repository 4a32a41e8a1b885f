// A verifier for tpo in Go, from the protocol's files alone: scores an answer of the sequence tasks by how many of its
// first tokens are right.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	tpo "tpo/v1"
)

const (
	name           = "first_tokens"
	version        = "1"
	taskPrefix     = "sequence/"
	maxCompletions = 4096
	// Groups judged at a time; more are told RESOURCE_EXHAUSTED and come back.
	maxCalls        = 64
	maxRequestBytes = 128 << 20
)

type verifier struct {
	// Holds an element for each call in progress.
	turns chan struct{}
}

// Verify gives one verdict per completion, in order.
func (v *verifier) Verify(ctx context.Context, request *tpo.VerifyRequest) (*tpo.VerifyResponse, error) {
	select {
	case v.turns <- struct{}{}:
		defer func() { <-v.turns }()
	default:
		return nil, status.Errorf(codes.ResourceExhausted, "%d groups are being judged; try again later", maxCalls)
	}
	if request.Prompt == nil {
		return nil, status.Error(codes.InvalidArgument, "prompt: missing")
	}
	if !strings.HasPrefix(request.Prompt.Task, taskPrefix) {
		return nil, status.Errorf(codes.NotFound, "prompt.task: '%s' is not of %s*", request.Prompt.Task, taskPrefix)
	}
	if n := len(request.Completions); n < 1 || n > maxCompletions {
		return nil, status.Errorf(codes.InvalidArgument, "completions: %d; from 1 to %d", n, maxCompletions)
	}
	response := &tpo.VerifyResponse{Verifier: name, VerifierVersion: version}
	for _, completion := range request.Completions {
		// Nobody waits for what comes after the deadline or a cancel.
		if ctx.Err() != nil {
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		response.Verdicts = append(response.Verdicts, judge(request, completion))
	}
	return response, nil
}

func judge(request *tpo.VerifyRequest, completion *tpo.Completion) *tpo.Verdict {
	wanted := request.Prompt.ReferenceTokens
	if len(wanted) == 0 {
		return unscored(tpo.VerdictKind_VERDICT_KIND_ABSTAINED, "prompt.reference_tokens: empty")
	}
	if request.WantTokenRewards {
		return unscored(tpo.VerdictKind_VERDICT_KIND_FAILED, "this verifier gives no reward per token")
	}
	right := 0
	for right < len(wanted) && right < len(completion.Tokens) && completion.Tokens[right] == wanted[right] {
		right++
	}
	return &tpo.Verdict{
		Kind:  tpo.VerdictKind_VERDICT_KIND_SCORED,
		Score: float64(right) / float64(len(wanted)),
	}
}

// A verdict without a score: never a score of 0.
func unscored(kind tpo.VerdictKind, reason string) *tpo.Verdict {
	return &tpo.Verdict{Kind: kind, Reason: reason}
}

// Describe says what this verifier serves.
func (v *verifier) Describe(context.Context, *tpo.DescribeRequest) (*tpo.DescribeResponse, error) {
	return &tpo.DescribeResponse{
		Verifier:        name,
		VerifierVersion: version,
		Tasks:           []string{taskPrefix + "*"},
		MaxCompletions:  maxCompletions,
		MaxRequestBytes: maxRequestBytes,
	}, nil
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "HOST:PORT; port 0 picks one and prints it")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	if address := listener.Addr().(*net.TCPAddr); !address.IP.IsLoopback() {
		log.Fatalf("%s is not a loopback address: this example serves no TLS", address)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxRequestBytes))
	tpo.RegisterVerifierServiceServer(server, &verifier{turns: make(chan struct{}, maxCalls)})
	healthServer := health.NewServer() // "" is SERVING from the start.
	for _, service := range []string{"tpo.v1.VerifierService", "tpo.v1.VerifierService/" + taskPrefix + "*"} {
		healthServer.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	grpc_health_v1.RegisterHealthServer(server, healthServer)
	reflection.Register(server)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		healthServer.Shutdown() // NOT_SERVING: no new calls.
		server.GracefulStop()   // Calls in progress end.
	}()
	fmt.Printf("listening on %s\n", listener.Addr())
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
