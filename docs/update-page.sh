#!/bin/sh
# Fetches a page of the provider, imports it, and opens a pull request if that changed a
# file. Run it at the top of a clean checkout; docs/update-page.yml does so on a schedule.
#
#   docs/update-page.sh PAGE_URL [SPEC_URL]
#
# XTASK replaces `cargo xtask`. Exits with 0 when there is nothing to do or the pull request
# is there, and otherwise as the command that failed.
set -eu

page=$1
spec=${2-}
xtask=${XTASK:-cargo xtask}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() {
    curl --fail --silent --show-error --location --max-time 60 --output "$2" "$1"
}
name=$(basename "$page" .md)
fetch "$page" "$work/$name.md"
set -- "$work/$name.md"
if [ -n "$spec" ]; then
    fetch "$spec" "$work/$name.json"
    set -- "$@" "$work/$name.json"
fi

# 1 is an import with contradictions that nobody has acknowledged: the pull request shows
# them.
status=0
$xtask import "$@" >"$work/report" 2>&1 || status=$?
sed "s|$work/||g" "$work/report" | tee "$work/report.txt"
[ "$status" -le 1 ] || exit "$status"

git add --all openapi crates
if git diff --cached --quiet; then
    echo "nothing changed"
    exit 0
fi
{
    for file in $(git diff --cached --name-only --diff-filter=M -- openapi/published); do
        $xtask drift "HEAD:$file" "$file" --recordings crates/kontext-mock/recordings \
            --format markdown --fail-on never --undecided-ok
        echo
    done
    printf '<details><summary>Report of the import</summary>\n\n```text\n'
    cat "$work/report.txt"
    printf '```\n\n</details>\n'
} >"$work/body.md"

branch=import/$name
title="Import the provider's page $name"
git checkout --quiet -B "$branch"
git commit --quiet --message "$title"
git push --quiet --force origin "$branch"
if gh pr view "$branch" >/dev/null 2>&1; then
    gh pr edit "$branch" --title "$title" --body-file "$work/body.md"
else
    gh pr create --head "$branch" --title "$title" --body-file "$work/body.md"
fi
