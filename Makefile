# Everything runs through hack/run, in the project's own environment: nothing needs installing first.
.DEFAULT_GOAL := help
RUN := ./hack/run
# What hack/generate writes; `make verify` fails when regenerating changes any of it.
GENERATED := manifests/crd manifests/policies docs/conformance.md \
  $(addprefix docs/reference/, api.md aws.md aws-operations.md chart.md gvisor-node.md ledger.md operator.md \
    pod-fields.md task-definitions.md) \
  operator/monopod/cli/input/schema/kubernetes.json \
  $(addprefix charts/monopod/templates/, crds.yaml rbac.yaml ledger-rbac.yaml ecs-rbac.yaml policies.yaml)

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## from nothing to pods in their own kernels, on a cluster of its own
	./hack/demo

.PHONY: test
test: ## every tier; sets itself up
	./hack/test

.PHONY: test-unit test-controlplane test-e2e test-chart test-project
test-unit: ## pure Python (seconds)
test-controlplane: ## against a real kube-apiserver and etcd
test-e2e: ## against a real cluster with a sandbox
test-chart: ## the Helm chart, rendered
test-project: ## layout, generated files, documentation
test-unit test-controlplane test-e2e test-chart test-project: test-%:
	./hack/test $*

.PHONY: test-deep
test-deep: ## the tests of many pods, churn, attacks in loops, a ledger that is killed, Kubernetes' own tests of NetworkPolicies (an hour and a half)
	MONOPOD_DIFFERENTIAL_PODS=$${MONOPOD_DIFFERENTIAL_PODS:-12000} \
	MONOPOD_RESCHEDULED_PODS=$${MONOPOD_RESCHEDULED_PODS:-1000} \
	MONOPOD_PATCHED_PODS=$${MONOPOD_PATCHED_PODS:-1000} \
	MONOPOD_OBSERVED_WORKLOADS=$${MONOPOD_OBSERVED_WORKLOADS:-50} \
	MONOPOD_CHURNED_NAMESPACES=$${MONOPOD_CHURNED_NAMESPACES:-200} \
	MONOPOD_FORGERIES=$${MONOPOD_FORGERIES:-10000} \
	MONOPOD_ATTACK_SECONDS=$${MONOPOD_ATTACK_SECONDS:-60} \
	MONOPOD_POD_SECURITY=$${MONOPOD_POD_SECURITY:-all} \
	MONOPOD_REQUEST_COST_REPEATS=$${MONOPOD_REQUEST_COST_REPEATS:-40} \
	MONOPOD_LEDGER_PODS=$${MONOPOD_LEDGER_PODS:-2000} \
	MONOPOD_TASK_INSTANTS=$${MONOPOD_TASK_INSTANTS:-all} \
	MONOPOD_SCALED_PODS=$${MONOPOD_SCALED_PODS:-3500} \
	  $(RUN) pytest --timeout 7200 tests/controlplane/differential/test_differential.py tests/controlplane/admission/test_request_cost.py \
	  tests/controlplane/admission/test_marks_while_profiles_change.py \
	  tests/controlplane/operating/rescheduling/test_shapes.py \
	  tests/controlplane/operating/rescheduling/test_scale.py tests/controlplane/operating/patching/test_scale.py \
	  tests/attack/profiles/test_churn.py \
	  tests/attack/isolation/test_network_policies.py tests/attack/pods/test_pod_security.py \
	  tests/controlplane/ledger/recorder/test_crash.py tests/controlplane/operating/tasks/test_killed.py \
	  tests/controlplane/operating/capacity/karpenter/test_scaling.py
	MONOPOD_FOCUS_VALIDATOR=$$(./hack/focus-validator) $(RUN) pytest tests/unit/usage/rules/test_focus_1_2.py tests/unit/usage/rules/test_focus.py
	MONOPOD_NETWORK_POLICIES=all ./hack/test e2e -- -k test_all_tests_of_network_policies

.PHONY: test-conformance
test-conformance: ## Kubernetes' conformance tests with a profile and without (90 min); FOCUS='regular expression' for some, RESUME=1 goes on
	$(RUN) python -m lab.conformance $(if $(FOCUS),--focus '$(FOCUS)') $(if $(RESUME),--resume)

.PHONY: fmt
fmt: ## format and sort imports
	$(RUN) ruff check --select I --fix
	$(RUN) ruff format

.PHONY: lint
lint: ## format, lint, types, direction of imports
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy
	$(RUN) lint-imports --no-cache

.PHONY: generate
generate: ## write the generated files (CRD, policies, the chart's copies) from their sources
	./hack/generate

.PHONY: verify
verify: generate ## regenerate and fail if that changed anything
	@git status --porcelain -- $(GENERATED) | awk '{print; stale = 1} END {exit stale}' || \
	  { git --no-pager diff -- $(GENERATED); \
	    echo "make verify: the files above were not generated from their sources; commit what 'make generate' wrote" >&2; \
	    exit 1; }

.PHONY: bench
bench: ## measure pod start, admission, many profiles, isolation, moves, the ledger and pods from nothing (an hour and a quarter)
	./hack/bench

.PHONY: lock
lock: ## resolve the lock files afresh from pyproject.toml
	$(RUN) uv pip compile --quiet --universal --no-header --generate-hashes --extra aws --extra postgresql pyproject.toml -o requirements.lock
	$(RUN) uv pip compile --quiet --universal --no-header --generate-hashes --extra aws --extra dev --extra parquet --extra postgresql \
	  -c requirements.lock \
	  pyproject.toml -o hack/requirements-dev.lock
