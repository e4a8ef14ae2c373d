# bifrons needs Go and make, nothing else. "make help" lists what there is.

GO         ?= go
ARGS       ?=
FUZZTIME   ?= 30s
BENCH      ?= .
COMMIT      = $(shell git rev-parse HEAD 2>/dev/null && { git diff --quiet HEAD || echo -dirty; })
BUILT       = $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS     = -s -w -X 'bifrons/api/module.commit=$(subst $() ,,$(COMMIT))' -X bifrons/api/module.built=$(BUILT)
VERSION     = $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' api/module/build.go)
BASE       ?= HEAD~20
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

.DEFAULT_GOAL := build
.PHONY: build run test quick nightly vuln cross compare release man soak lint fmt vet staticcheck tools fuzz bench bench-full bench-go janus \
	replay clean help

build: ## build bin/bifrons and bin/bifrons-rec, each one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

run: build ## build and start the server; more options in ARGS='...'
	@exec bin/bifrons $(ARGS)

test: lint tools ## all checks and all tests, those in Chromium included
	GO="$(GO)" sh .ci/gotest './cmd/bifrons ./...' -race -vet=off -timeout 24m # the longest first; lint has vetted
	$(GO) test ./rtp/opus ./sfu/mix # much of them takes too long with the race detector

soak: tools ## the tests under load at full size, for a machine that has nothing else to do
	BIFRONS_SOAK=1 $(GO) test -v -count=1 -timeout 60m -run 'Room|BrowserPage|MultistreamSimulcast|BehindProxy|ReceiverHangs|Siege|Vanished|KilledRecording|FrozenDisk|MixAttack|MixPlain|BrowserLine|BrowserEchoLine|DemoVideoCall|DemoAudioBridge' ./cmd/bifrons
	BIFRONS_SOAK=1 $(GO) test -v -count=1 -run 'TestCall|TestRabbitMQ|TestClientAway' ./api/event/mqttevh ./api/event/nanomsgevh ./api/transport/rabbitmq ./api/plugin/sip

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

tools: # programs for the end-to-end tests
	@sh .ci/tools

fuzz: ## run every fuzz target for FUZZTIME (30s), one after the other; FUZZ_PART=2/4 is a quarter of them
	@GO="$(GO)" sh .ci/fuzz $(FUZZTIME)

quick: lint ## the checks of every change: lint, layout, tests without browsers, 10 s of each fuzz target
	$(GO) test -short -timeout 20m ./...
	@GO="$(GO)" sh .ci/fuzz 10s

nightly: vuln cross compare ## the slow checks: vulnerabilities, other systems, speed, 10 min of each fuzz target (17 h; FUZZ_PART)
	@GO="$(GO)" sh .ci/fuzz 10m

vuln: ## known vulnerabilities in the packages of the binaries
	@out=$$($(GO) run $(GOVULNCHECK) ./cmd/... 2>&1); code=$$?; echo "$$out"; case "$$code $$out" in \
		0*) ;; \
		*"fetching vulnerabilities"*|*"dial tcp"*) echo 'skipped: NOTHING WAS CHECKED for known vulnerabilities: the list of the Go project cannot be downloaded' ;; \
		*) exit 1 ;; esac

cross: ## compile everything, tests included, for other systems
	@for target in linux/arm64 darwin/arm64 windows/amd64; do \
		echo "go build, go vet for $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -o /dev/null ./cmd/bifrons && \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -o /dev/null ./cmd/bifrons-rec && \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) vet ./... || exit 1; \
	done

compare: ## whether the benchmarks of a shard take 10 % longer than at the commit BASE (HEAD~20)
	@GO="$(GO)" sh .ci/compare $(BASE)

release: ## static binaries for amd64 and arm64, SBOMs and checksums in dist/
	@GO="$(GO)" LDFLAGS="$(LDFLAGS)" sh .ci/release $(VERSION)

man: build ## the manual page, bin/bifrons.1
	bin/bifrons help man >bin/bifrons.1

bench: janus ## the costs of the server, beside janus and a plain pion forwarder; results in bench/results
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

clean: ## remove the results of build
	rm -rf bin dist

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 12
