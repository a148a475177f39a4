"""Given a machine with or without tools, when one is needed, then it is found or built whole, once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ops import provider, pyenv, toolchain
from ops.errors import BadInput, OpsError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WELCOME_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def program(directory: Path, name: str, script: str) -> Path:
    """A program that does what `script` says."""
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def on_path(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


class TestOnPath:
    @pytest.mark.parametrize(
        ("said", "accepted"),
        [
            ("terragrunt version v1.1.3", True),
            ("terragrunt version v1.1.9", True),
            ("terragrunt version v1.1.2", False),
            ("terragrunt version v1.2.0", False),
            ("terragrunt version latest", False),
        ],
    )
    def test_a_tool_is_used_at_an_accepted_version_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, accepted: bool
    ) -> None:
        found = program(tmp_path / "bin", "terragrunt", f"echo '{said}'")
        on_path(monkeypatch, found.parent)
        assert toolchain.on_path("terragrunt") == (found if accepted else None)

    def test_opentofu_is_preferred_to_terraform(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program(tmp_path / "bin", "terraform", "echo 'Terraform v1.11.4'")
        tofu = program(tmp_path / "bin", "tofu", "echo 'OpenTofu v1.12.6'")
        on_path(monkeypatch, tofu.parent)
        assert toolchain.engine() == tofu

    def test_the_engine_can_be_chosen(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        terraform = program(tmp_path / "bin", "terraform", "echo 'Terraform v1.11.4'")
        program(tmp_path / "bin", "tofu", "echo 'OpenTofu v1.12.6'")
        on_path(monkeypatch, terraform.parent)
        monkeypatch.setenv("WELCOME_ENGINE", "terraform")
        assert toolchain.engine() == terraform

    @pytest.mark.parametrize(
        ("engine", "says"), [("pulumi", "use tofu, terraform"), ("terraform", "no Terraform ≥ 1.11 on PATH")]
    )
    def test_an_engine_that_is_not_there_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, says: str
    ) -> None:
        on_path(monkeypatch, tmp_path)
        monkeypatch.setenv("WELCOME_ENGINE", engine)
        with pytest.raises(BadInput, match=says):
            toolchain.engine()


def _build_slowly(target: Path, built: Path) -> None:
    def work(aside: Path) -> None:
        with built.open("a") as log:
            log.write(f"{os.getpid()}\n")
        (aside / "half").write_text("half")
        time.sleep(1)
        (aside / target.name).write_text("whole")

    toolchain._build(target, "a tool", work)


class TestBuild:
    def test_two_builders_build_once(self, tmp_path: Path) -> None:
        target, built = tmp_path / "tools" / "tool-1" / "tool", tmp_path / "built"
        builders = [multiprocessing.Process(target=_build_slowly, args=(target, built)) for _ in range(2)]
        for each in builders:
            each.start()
        for each in builders:
            each.join()
        assert [each.exitcode for each in builders] == [0, 0]
        assert len(built.read_text().splitlines()) == 1
        assert target.read_text() == "whole"

    def test_a_killed_build_is_not_mistaken_for_a_tool(self, tmp_path: Path) -> None:
        target, built = tmp_path / "tools" / "tool-1" / "tool", tmp_path / "built"
        builder = multiprocessing.Process(target=_build_slowly, args=(target, built))
        builder.start()
        while not built.exists():
            time.sleep(0.01)
        assert builder.pid
        os.kill(builder.pid, signal.SIGKILL)
        builder.join()
        assert not target.exists()
        _build_slowly(target, built)
        assert target.read_text() == "whole"
        assert [each.name for each in (tmp_path / "tools").iterdir() if each.name.endswith(".building")] == []

    def test_a_full_disk_leaves_nothing_and_says_so(self, tmp_path: Path) -> None:
        target = tmp_path / "tools" / "tool-1" / "tool"

        def work(aside: Path) -> None:
            (aside / "part").write_text("part")
            raise OSError(28, "No space left on device")

        with pytest.raises(OpsError, match="No space left on device.*Free some disk space"):
            toolchain._build(target, "a tool", work)
        assert [each.name for each in (tmp_path / "tools").iterdir() if not each.name.endswith(".lock")] == []

    def test_a_compiler_that_runs_out_of_disk_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fails = "echo 'write x: no space left on device' >&2; exit 1"
        script = f"case $1 in version) echo go version go1.26.8;; *) {fails};; esac"
        go = program(tmp_path / "bin", "go", script)
        on_path(monkeypatch, go.parent)
        with pytest.raises(OpsError, match="(?s)could not build terragrunt.*The disk is full"):
            toolchain.ensure("terragrunt")

    def test_an_old_go_is_replaced_by_the_one_from_pypi(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        go = program(tmp_path / "bin", "go", "echo go version go1.22.0")
        on_path(monkeypatch, go.parent)
        packaged = tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "go"
        packaged.mkdir(parents=True)
        monkeypatch.setattr(pyenv, "ensure", lambda name: tmp_path / "env" if name == "go" else None)
        assert toolchain.go() == packaged / "bin" / "go"

    def test_a_provider_with_another_checksum_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = 'case $1 in version) echo go version go1.26.8;; *) echo \'{"Dir": "/x", "Sum": "h1:other="}\';; esac'
        on_path(monkeypatch, program(tmp_path / "bin", "go", script).parent)
        with pytest.raises(OpsError, match="has checksum h1:other=, pinned is"):
            toolchain._provider_source()


class TestProvider:
    @pytest.fixture
    def module(self, tmp_path: Path) -> Path:
        """A provider with five services, of which `dynamodb` imports `kms`."""
        root = tmp_path / "module"
        service = root / "internal" / "service"
        for name, imports in {"dynamodb": ["kms"], "kms": [], "iam": [], "waf": [], "glue": ["waf"]}.items():
            (service / name).mkdir(parents=True)
            lines = [f'\t"{provider.IMPORT_PATH}/internal/service/{each}"' for each in imports]
            client = {"dynamodb": "DynamoDB", "kms": "KMS", "iam": "IAM", "waf": "WAF", "glue": "Glue"}[name]
            (service / name / "a.go").write_text("\n".join([*lines, f"\tconn := meta.{client}Client(ctx)", ""]))
            (service / name / "a_test.go").write_text(f'\t"{provider.IMPORT_PATH}/internal/service/waf"\n')
        names = ("dynamodb", "glue", "iam", "kms", "waf")
        packages = root / "internal" / "provider" / "sdkv2"
        packages.mkdir(parents=True)
        (packages / "service_packages_gen.go").write_text(
            "\n".join(
                ["import ("]
                + [f'\t"{provider.IMPORT_PATH}/internal/service/{name}"' for name in names]
                + [")", "\tv := []conns.ServicePackage{"]
                + [f"\t\t{name}.ServicePackage(ctx)," for name in names]
                + ["\t}", ""]
            )
        )
        conns = root / "internal" / "conns"
        conns.mkdir()
        (conns / "awsclient_gen.go").write_text(
            "import (\n"
            + "".join(f'\t"github.com/aws/aws-sdk-go-v2/service/{name}"\n' for name in names)
            + ")\n\n"
            + "".join(
                f"func (c *AWSClient) {client}Client(ctx context.Context) *{name}.Client {{\n}}\n\n"
                for name, client in zip(names, ("DynamoDB", "Glue", "IAM", "KMS", "WAF"), strict=True)
            )
        )
        return root

    def test_every_imported_service_is_registered(self, module: Path) -> None:
        assert provider.closure(module, ("dynamodb", "iam")) == {"dynamodb", "kms", "iam"}

    def test_lists_are_shortened_and_closed(
        self, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider, "SERVICES", ("dynamodb", "iam"))
        monkeypatch.setattr(provider.closure, "__defaults__", (("dynamodb", "iam"),))
        copy = tmp_path / "copy"
        provider.prepare(module, copy)
        registered = (copy / "internal/provider/sdkv2/service_packages_gen.go").read_text()
        assert "waf" not in registered
        assert "\t\tkms.ServicePackage(ctx)," in registered
        clients = (copy / "internal/conns/awsclient_gen.go").read_text()
        assert "KMSClient" in clients
        assert "service/kms" in clients
        assert "Glue" not in clients
        assert "service/glue" not in clients
        assert not (copy / "internal/service/waf").exists()

    def test_a_registry_that_answers_is_preferred(self, tmp_path: Path) -> None:
        # Given an engine whose registry has the provider
        engine = program(
            tmp_path / "bin",
            "tofu",
            "case $1 in providers) echo 'provider[registry.example/hashicorp/aws] 6.34.0';; "
            "init) d=.terraform/providers/registry.example/hashicorp/aws/6.34.0/any; mkdir -p $d; "
            "echo real > $d/terraform-provider-aws_v6.34.0_x5;; esac",
        )
        # When the mirror is filled
        mirror = toolchain.provider_mirror(engine)
        # Then it holds that provider, under the host that the engine named, and is used again
        found = list(mirror.glob("registry.example/hashicorp/aws/6.34.0/*/terraform-provider-aws*"))
        assert [each.read_text() for each in found] == ["real\n"]
        engine.unlink()
        assert toolchain.provider_mirror(engine) == mirror


def test_pinned_versions_are_those_of_go_mod() -> None:
    assert toolchain.versions() == {
        "actionlint": "1.7.12",
        "opentofu": "1.12.6",
        "terragrunt": "1.1.3",
        "tflint": "0.64.0",
    }


def test_an_environment_that_cannot_be_built_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requirements-x.txt").write_text("no-such-package==1.0 --hash=sha256:00\n")
    monkeypatch.setattr(pyenv, "LOCKS", tmp_path)
    with pytest.raises(SystemExit, match="could not build the Python environment 'x'"):
        pyenv.ensure("x")
    assert not pyenv.location("x").exists()


def test_no_python_is_one_sentence() -> None:
    done = subprocess.run(["make", "-s", "status", "PYTHON=python-that-is-not-there"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Python" in done.stderr
