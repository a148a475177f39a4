"""What actions/checkout does with the inputs that our workflows give it."""

import base64
import os
import subprocess

workspace = os.environ["GITHUB_WORKSPACE"]
server = os.environ["GITHUB_SERVER_URL"]
credentials = base64.b64encode(f"x-access-token:{os.environ['TOKEN']}".encode()).decode()
header = f"http.{server}/.extraheader"
# As configuration of single commands: in an argument it would show in the list of processes.
authorised = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": header,
    "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {credentials}",
}


def git(*arguments: str) -> str:
    """Run git in the workspace."""
    done = subprocess.run(
        ["git", *arguments], cwd=workspace, env=os.environ | authorised, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout.strip()


def main() -> None:
    """Fetch and check out, like `+SHA:REF` of the real action: detached for a commit, a branch for a branch."""
    ref, sha = os.environ["REF"] or os.environ["GITHUB_REF"], "" if os.environ["REF"] else os.environ["GITHUB_SHA"]
    if not ref.startswith("refs/"):
        ref = f"refs/heads/{ref}"
    kind, _, name = ref.removeprefix("refs/").partition("/")
    local = {"heads": f"refs/remotes/origin/{name}", "pull": f"refs/remotes/pull/{name}"}[kind]
    git("init", "--quiet", ".")
    git("remote", "add", "origin", f"{server}/{os.environ['GITHUB_REPOSITORY']}")
    depth = [f"--depth={os.environ['DEPTH']}"]
    if os.environ["DEPTH"] == "0":  # all branches first; the one of the event may have moved on since
        depth = []
        git("fetch", "--quiet", "--no-tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    git("fetch", "--quiet", "--no-tags", *depth, "origin", f"+{sha or ref}:{local}")
    branch = ["-B", name, local] if kind == "heads" else ["--detach", local]
    git("checkout", "--quiet", "--force", *branch)
    if os.environ["PERSIST"] == "true":
        git("config", header, authorised["GIT_CONFIG_VALUE_0"])
    print(f"checked out {git('log', '-1', '--format=%H %s')}")


main()
