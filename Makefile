# One line per target. ENV=dev|prod narrows one to an environment, TARGET=aws leaves the laptop. `make` alone prints help.
PYTHON ?= python3
OPS = $(if $(shell command -v $(PYTHON)),$(PYTHON),$(error Python 3.11 or newer is needed: install it, or name it with PYTHON=…)) -m ops
NARROWED := $(if $(ENV),--env "$(ENV)")
defined = $(filter-out undefined,$(origin $(1)))

.DEFAULT_GOAL := help
.PHONY: help up down status plan apply destroy bootstrap release releases rollback verify message contract \
        rehearse policy bench lint lock clean test

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

up: ## From nothing to two answering URLs: tools, emulators, every unit, a first release
	@$(OPS) up $(NARROWED)
down: ## Stop the emulators that `make up` started, and keep what is in them
	@$(OPS) down $(NARROWED)
status: ## URL, answer, release and state of each environment
	@$(OPS) status $(NARROWED)
plan: ## Plan every unit and show the report a reviewer would see
	@$(OPS) plan $(NARROWED)
apply: ## Plan, show, and apply exactly that
	@$(OPS) apply $(NARROWED)
destroy: ## Destroy what env.hcl does not protect
	@$(OPS) destroy $(NARROWED)
bootstrap: ## Once an account: state, OIDC provider, roles; ends with what to set in GitHub
	@$(OPS) bootstrap $(NARROWED)
release: ## Release the code in lambda/welcome, in steps
	@$(OPS) release $(NARROWED)
releases: ## List the releases of each environment
	@$(OPS) releases $(NARROWED)
rollback: ## Go back to the release before, or to VERSION=…
	@$(OPS) rollback $(NARROWED) $(if $(VERSION),--version "$(VERSION)")
verify: ## Prove that what is live is the package of COMMIT=…
	@$(OPS) verify $(NARROWED) $(if $(COMMIT),"$(COMMIT)")
message: ## Show the message of ENV=…, or set it to TEXT=…
	@$(OPS) message $(NARROWED) $(if $(call defined,TEXT),--text "$$TEXT")
contract: ## Check the HTTP contract against URL=…
	@$(OPS) contract --url "$(URL)"
rehearse: ## The whole pipeline with the real workflow files, offline
	@$(OPS) rehearse
policy: ## Which role may do what, and what each really uses
	@$(OPS) policy
bench: ## Measure speed and memory beside the alternatives
	@$(OPS) bench
lint: ## Everything that reads the code without running it
	@$(OPS) lint
lock: ## Lock the Python requirements again, with hashes
	@$(OPS) lock
clean: ## Stop the emulators and forget their state
	@$(OPS) clean

test: ## Every tier of tests, in this order
	@$(OPS) test
test-%: ## One tier: unit, module, policy, emulator, pipeline; or policy-full, property (long)
	@$(OPS) test $*
