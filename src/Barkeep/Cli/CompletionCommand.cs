using System.CommandLine;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>completion</c>: what a shell needs to complete command lines. The program itself is asked for the words.</summary>
sealed class CompletionCommand : SessionCommand
{
    // The line is handed over without the program's name, so that any link to it will do.
    const string Bash = """
        _barman() {
            local line="${COMP_LINE#* }"
            local at=$((COMP_POINT - ${#COMP_LINE} + ${#line}))
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$at]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _barman barman barkeep setup-barman restore-last
        """;

    // As a file of $fpath named _barman it is the function itself, when it is first called; sourced, it only defines it.
    const string Zsh = """
        #compdef barman barkeep setup-barman restore-last
        _barman() {
            local -a before found
            before=("${(@)words[2,CURRENT-1]}" "$PREFIX")
            local line="${(j: :)before}"
            found=(${(f)"$(${~words[1]} "[suggest:${#line}]" "$line" 2>/dev/null)"})
            compadd -a found || _files
        }
        if [[ $funcstack[1] == _barman ]]; then
            _barman "$@"
        else
            (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
            compdef _barman barman barkeep setup-barman restore-last
        fi
        """;

    const string Fish = """
        function __barman_complete
            set -l line (commandline -cp | string replace -r '^\s*\S+\s+' '')
            set -l program (commandline -opc)[1]
            set -l found (command $program "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null)
            set -l word (commandline -ct)
            if string match -q -- "$word*" $found
                printf '%s\n' $found
            else
                __fish_complete_path "$word"
            end
        end
        for program in barman barkeep setup-barman restore-last
            complete -c $program -f -a '(__barman_complete)'
        end
        """;

    readonly Argument<string> _shell = new("SHELL") { Description = "bash, zsh or fish" };

    public CompletionCommand()
        : base("completion", "Print what a shell needs to complete commands: source <(barman completion bash), and likewise zsh; barman completion fish | source")
    {
        Add(Choice.Restrict(_shell, "bash", "zsh", "fish"));
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        session.Output.Line(parse.GetValue(_shell) switch { "zsh" => Zsh, "fish" => Fish, _ => Bash });
        return Task.FromResult(0);
    }
}
