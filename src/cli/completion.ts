/**
 * Scripts that make a shell complete `tidemark`. They know nothing of its commands: they ask
 * `tidemark complete` at each tab, so that a script that was stored somewhere does not grow old.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * The words are cut from the line by the script: bash itself takes `:` and `=` for ends of words, and then wants
 * only what stands behind them.
 */
const BASH = `# tidemark completion bash
_tidemark() {
  local line="\${COMP_LINE:0:COMP_POINT}" current value about strip own=''
  local -a words
  read -ra words <<< "$line"
  case "$line" in *[[:space:]]) words+=('') ;; esac
  current="\${words[\${#words[@]}-1]}"
  strip="\${current%"\${current##*[:=]}"}"
  COMPREPLY=()
  while IFS=$'\\t' read -r value about; do
    case "$value" in
      :*) own="$value" ;;
      *) COMPREPLY+=("\${value#"$strip"}") ;;
    esac
  done < <(tidemark complete -- "\${words[@]:1}" 2>/dev/null)
  case "\${COMPREPLY[0]-}" in */ | *=) compopt -o nospace 2>/dev/null ;; esac
  case "$own" in
    :files) compopt -o default 2>/dev/null ;;
    :directories) compopt -o dirnames 2>/dev/null ;;
  esac
}
complete -F _tidemark tidemark
`;

const ZSH = `#compdef tidemark
# tidemark completion zsh
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }
_tidemark() {
  local line value about own
  local -a values abouts open opened
  for line in "\${(@f)$(tidemark complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}"; do
    value="\${line%%$'\\t'*}"
    about="$value  -- \${line#*$'\\t'}"
    case "$value" in
      :*) own="$value" ;;
      */ | *=) open+=("$value") opened+=("$about") ;;
      *) values+=("$value") abouts+=("$about") ;;
    esac
  done
  compadd -l -d abouts -a values
  compadd -l -S '' -d opened -a open
  case "$own" in
    :files) _files ;;
    :directories) _files -/ ;;
  esac
}
compdef _tidemark tidemark
`;

const FISH = `# tidemark completion fish
function __tidemark_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (tidemark complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':directories'
                __fish_complete_directories "$current" ''
            case ':nothing'
            case '*'
                printf '%s\\n' $line
        end
    end
end
complete -c tidemark -f -a '(__tidemark_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
