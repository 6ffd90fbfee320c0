/**
 * Scripts of a new project for deployments and cron. They take the project's own `tidemark`, else the installed
 * one, and end with the exit codes of its commands.
 */
const BEGINNING = `set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
`;

const TRIGGER = `#!/bin/sh
# Takes a savepoint of a running job, before a new version is deployed. Its last line but one has the path.
#   ./scripts/trigger_savepoint.sh <job> [directory]
# <job>: the job's id, the beginning of its id, or its name.
${BEGINNING}
if [ $# -lt 1 ]; then echo "Usage: $0 <job> [directory]" >&2; exit 2; fi
job=$1
shift
exec tidemark savepoint "$job" "$@" --label "\${SAVEPOINT_LABEL:-pre-deploy}"
`;

const RESTORE = `#!/bin/sh
# Starts the job in the service from a savepoint or a checkpoint.
#   ./scripts/restore_from_savepoint.sh <path> [options of tidemark run]
# The job is job.ts, unless the variable JOB_FILE names another file of the project.
${BEGINNING}
if [ $# -lt 1 ]; then echo "Usage: $0 <path> [options of tidemark run]" >&2; exit 2; fi
snapshot=$1
shift
exec tidemark run -s "$snapshot" -d "$@" "\${JOB_FILE:-job.ts}"
`;

const CREATE = `#!/bin/sh
# Takes the savepoint of the day, for cron: those of the first day of a month are labelled monthly.
#   0 2 * * * /path/to/project/scripts/create-savepoint.sh <job>
# The variable SAVEPOINT_DIR names the directory; without it the settings do.
${BEGINNING}
if [ $# -ne 1 ]; then echo "Usage: $0 <job>" >&2; exit 2; fi
label=daily
if [ "$(date +%d)" = 01 ]; then label=monthly; fi
exec tidemark savepoint "$1" \${SAVEPOINT_DIR:+"$SAVEPOINT_DIR"} --label "$label" --why "by $0"
`;

export const PROJECT_SCRIPTS: Readonly<Record<string, string>> = {
  'scripts/trigger_savepoint.sh': TRIGGER,
  'scripts/restore_from_savepoint.sh': RESTORE,
  'scripts/create-savepoint.sh': CREATE,
};
