import { command, entry, type Group, group } from '../command/command.ts';
import { find } from '../command/dispatch.ts';
import { globalFlags } from '../command/flags.ts';
import { candidatesFor } from '../completion/candidates.ts';
import { out } from '../output/streams.ts';
import { root } from './root.ts';

const bash = `# bash completion for lxc
_lxc() {
  # The line itself, since bash parts words at colons and equals signs too.
  local line="\${COMP_LINE:0:COMP_POINT}" words cur head
  read -ra words <<<"$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]}-1]}"
  local IFS=$'\\n'
  COMPREPLY=($(lxc __complete "\${words[@]:1}" 2>/dev/null | sed -e '/^:/d' -e 's/\\t.*//'))
  if [ "\${#COMPREPLY[@]}" = 1 ] && [[ "\${COMPREPLY[0]}" == *[:/=] ]]; then
    compopt -o nospace 2>/dev/null
  fi
  # What bash takes for words of their own is not repeated.
  head="\${cur%"\${cur##*[:=]}"}"
  if [ -n "$head" ] && [[ "$COMP_WORDBREAKS" == *:* ]]; then
    COMPREPLY=("\${COMPREPLY[@]#"$head"}")
  fi
}
complete -o default -F _lxc lxc
`;

const zsh = `#compdef lxc
_lxc() {
  local -a lines
  lines=("\${(@f)$(lxc __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  local line
  local -a names
  for line in $lines; do
    [[ $line == :* ]] && continue
    names+=("\${\${line%%$'\\t'*}//:/\\\\:}\${\${line#*$'\\t'}:+:\${line#*$'\\t'}}")
  done
  _describe 'lxc' names || _files
}
compdef _lxc lxc
`;

const fish = `# fish completion for lxc
function __lxc_complete
  set -l words (commandline -opc) (commandline -ct)
  lxc __complete $words[2..-1] 2>/dev/null | string match -v -r '^:'
end
complete -c lxc -a '(__lxc_complete)'
`;

const script = (shell: string, text: string) =>
  command({
    use: '',
    usageEnd: '',
    short: `Generate the completion script for ${shell}`,
    args: [0, 0],
    run: async () => out(text),
  });

export const completion = group(
  {
    short: 'Generate the completion script for a shell',
    long: `To load it in the running shell:
  bash: source <(lxc completion bash)
  zsh:  source <(lxc completion zsh)
  fish: lxc completion fish | source`,
  },
  [
    entry('bash', [], async () => script('bash', bash)),
    entry('fish', [], async () => script('fish', fish)),
    entry('zsh', [], async () => script('zsh', zsh)),
  ],
  { helpful: true },
);

/** What a shell reads to know whether to complete file names too, in the numbers of cobra. */
const directive = { files: 0, noFiles: 4 };

const subCommands = async (group: Group, begun: string): Promise<string[]> => {
  const lines: string[] = [];
  for (const [name, { hidden, load }] of group.entries) {
    if (hidden || !name.startsWith(begun)) continue;
    const node = await load();
    lines.push(`${name}\t${(node.kind === 'leaf' ? node.spec : node.words).short}`);
  }
  return lines.sort();
};

/** The hidden command that the scripts call: the words so far, the last of them the one to complete. */
export const complete = command({
  use: '<words>...',
  short: 'Request shell completion choices for the specified command-line',
  args: [0, Number.POSITIVE_INFINITY],
  interspersed: false,
  verbatim: true,
  run: async (cli, { args }) => {
    const words = args.slice(0, -1);
    const begun = args.at(-1) ?? '';
    const found = await find(root, words);
    const { node, rest } = found;
    let lines: string[];
    let files = false;
    if (node.kind === 'leaf') {
      ({ names: lines, files } = await candidatesFor(cli, found, node, rest, begun));
    } else if (begun.startsWith('-')) {
      lines = Object.entries(globalFlags)
        .map(([name, flag]) => `--${name}\t${flag.description}`)
        .filter((line) => line.startsWith(begun))
        .sort();
    } else {
      lines = await subCommands(node, begun);
    }
    const way = files ? directive.files : directive.noFiles;
    out([...lines, `:${way}`, ''].join('\n'));
  },
});
