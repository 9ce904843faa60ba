using System.CommandLine;

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
        complete -o default -F _barman barman barkeep
        """;

    const string Zsh = """
        #compdef barman barkeep
        _barman() {
            local line="${BUFFER#* }"
            local at=$((CURSOR - ${#BUFFER} + ${#line}))
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:$at]" "$line" 2>/dev/null)}")
            compadd -a found
            _files
        }
        compdef _barman barman barkeep
        """;

    const string Fish = """
        function __barman_complete
            set -l line (commandline -cp | string replace -r '^\S+\s+' '')
            set -l at (string length -- "$line")
            command (commandline -opc)[1] "[suggest:$at]" "$line" 2>/dev/null
        end
        complete -c barman -a '(__barman_complete)'
        complete -c barkeep -a '(__barman_complete)'
        """;

    readonly Argument<string> _shell = new("SHELL") { Description = "bash, zsh or fish" };

    public CompletionCommand()
        : base("completion", "Print what a shell needs to complete commands: source <(barman completion bash)")
    {
        _shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        Add(_shell);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        session.Output.Line(parse.GetValue(_shell) switch { "zsh" => Zsh, "fish" => Fish, _ => Bash });
        return Task.FromResult(0);
    }
}
