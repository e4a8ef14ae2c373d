# bifrons needs Go and make, nothing else. "make help" lists what there is.

GO         ?= go
ARGS       ?=
FUZZTIME   ?= 30s
BENCH      ?= .
LDFLAGS    := -s -w
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := build
.PHONY: build run test soak lint fmt vet staticcheck tools fuzz bench bench-full bench-go janus replay clean help

build: ## build bin/bifrons and bin/bifrons-rec, each one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

run: build ## build and start the server; more options in ARGS='...'
	@exec bin/bifrons $(ARGS)

test: lint tools ## all checks and all tests, those in Chromium included
	GO="$(GO)" sh .ci/gotest ./... -race -timeout 24m
	$(GO) test ./rtp/opus ./sfu/mix # much of them takes too long with the race detector

soak: tools ## the tests under load at full size, for a machine that has nothing else to do
	BIFRONS_SOAK=1 $(GO) test -v -count=1 -timeout 60m -run 'Room|MultistreamSimulcast|BehindProxy|ReceiverHangs|Siege|Vanished|KilledRecording|FrozenDisk|MixAttack|MixPlain|BrowserLine' ./cmd/bifrons
	BIFRONS_SOAK=1 $(GO) test -v -count=1 -run 'TestCall|TestRabbitMQ|TestClientAway' ./api/event/mqttevh ./api/transport/rabbitmq ./api/plugin/sip

lint: fmt vet staticcheck ## gofmt, go vet, staticcheck

fmt:
	@files=$$(gofmt -l .) || exit 1; \
	if [ -n "$$files" ]; then echo "gofmt is needed for:"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...

staticcheck:
	@if command -v staticcheck >/dev/null; then \
		echo staticcheck ./...; staticcheck ./...; \
	elif $(GO) run $(STATICCHECK) -version >/dev/null 2>&1; then \
		echo staticcheck ./...; $(GO) run $(STATICCHECK) ./...; \
	else \
		echo 'skipped: staticcheck (not installed, and cannot be downloaded)'; \
	fi

tools: # what the end-to-end tests need
	@sh .ci/tools

fuzz: ## run every fuzz target for FUZZTIME (30s), one after the other
	@grep -rE '^func Fuzz' --include='*_test.go' . \
	| sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort -u \
	| while read -r dir target; do \
		echo "== $$dir $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir </dev/null || exit 1; \
	done

bench: janus ## what the server costs, beside janus and a plain pion forwarder; results in bench/results
	$(GO) run ./bench $(ARGS)

bench-full: janus ## the same with all workloads, longer and three times
	$(GO) run ./bench -full $(ARGS)

bench-go: ## run the Go benchmarks that match BENCH
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

janus: # the server to compare with
	@command -v janus >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { \
		echo "installing janus and iproute2"; \
		{ apt-get install -y --no-install-recommends janus iproute2 || \
			{ apt-get update && apt-get install -y --no-install-recommends janus iproute2; } \
		} >/dev/null 2>&1 </dev/null; }
	@command -v janus >/dev/null || echo "skipped: measuring janus (it is not installed)"

replay: ## play a capture through the engine: make replay ARGS='-codec 96=VP8 call.pcap'
	@$(GO) run ./bench/replay $(ARGS)

clean: ## remove what build made
	rm -rf bin

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 12
