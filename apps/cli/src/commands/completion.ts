import { command, entry, type Group, group } from '../command/command.ts';
import { find } from '../command/dispatch.ts';
import { globalFlags } from '../command/flags.ts';
import { out } from '../output/streams.ts';
import { candidatesFor } from './completion-names.ts';
import { root } from './root.ts';

const bash = `# bash completion for lxc
_lxc() {
  local IFS=$'\\n'
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  # Bash splits at colons, which part remotes from names: put them together again.
  local cur="\${COMP_WORDS[COMP_CWORD]}"
  if declare -F _get_comp_words_by_ref >/dev/null; then
    local whole cword
    _get_comp_words_by_ref -n : -w whole -i cword
    words=("\${whole[@]:1:cword}")
    cur="\${whole[cword]}"
  fi
  COMPREPLY=($(lxc __complete "\${words[@]}" 2>/dev/null | sed -e '/^:/d' -e 's/\\t.*//'))
  if declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "$cur"
  fi
  if [ "\${#COMPREPLY[@]}" = 1 ] && [[ "\${COMPREPLY[0]}" == *[:/] ]]; then
    compopt -o nospace 2>/dev/null
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
    const { node, path, rest } = await find(root, words);
    let lines: string[];
    let files = false;
    if (begun.startsWith('-')) {
      const flags = { ...globalFlags, ...(node.kind === 'leaf' ? node.spec.flags : {}) };
      lines = Object.entries(flags)
        .map(([name, flag]) => `--${name}\t${flag.description}`)
        .filter((line) => line.startsWith(begun))
        .sort();
    } else if (node.kind === 'group') {
      lines = await subCommands(node, begun);
    } else {
      const place = rest.filter((word) => !word.startsWith('-')).length;
      const found = await candidatesFor(cli, node.spec.use, rest, place, begun);
      lines = found.names;
      files = found.files;
    }
    const way = path.length > 0 && files ? directive.files : directive.noFiles;
    out([...lines, `:${way}`, ''].join('\n'));
  },
});
