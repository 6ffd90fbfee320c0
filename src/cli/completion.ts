/** A script that makes a shell complete commands and options, made from the commands themselves. */
import { InvalidArgumentError, type Command } from 'commander';

export function toShell(text: string): 'bash' {
  if (text === 'bash') return text;
  throw new InvalidArgumentError('Only bash is known.');
}

/** A command with what may follow it. */
interface Node {
  /** As it is typed behind `tidemark`; `''` for `tidemark` itself. */
  readonly path: string;
  readonly words: readonly string[];
}

/** @param program The one with all commands. */
export function bashCompletion(program: Command): string {
  const nodes = nodesOf(program, '');
  const known = nodes.map(({ path }) => path.replaceAll(' ', '/')).join(' ');
  const cases = nodes.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  // The words before the cursor are followed as far as they name a command.
  return `# tidemark completion bash
_tidemark() {
  local path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${known} " in
      *" \${path:+\${path// //}/}$word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _tidemark tidemark
`;
}

function nodesOf(command: Command, path: string): readonly Node[] {
  const words = [
    ...command.commands.map((each) => each.name()),
    ...command.options.flatMap(({ short, long }) => [short ?? [], long ?? []].flat()),
  ];
  const below = command.commands.flatMap((each) =>
    nodesOf(each, path === '' ? each.name() : `${path} ${each.name()}`),
  );
  return [{ path, words }, ...below];
}
