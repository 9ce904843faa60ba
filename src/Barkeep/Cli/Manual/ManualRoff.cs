using System.CommandLine;
using System.Text;

namespace Barkeep.Cli.Manual;

/// <summary>The manual page, in the macros of man(7).</summary>
static class ManualRoff
{
    public static string Write(ManualPages manual, string version)
    {
        var page = new StringBuilder();
        page.Append($".TH {manual.Name.ToUpperInvariant()} 1 \"\" \"Barkeep {version}\" \"Barkeep\"\n");
        page.Append($".SH NAME\n{manual.Name} \\- {Text(char.ToLowerInvariant(manual.Description[0]) + manual.Description[1..].TrimEnd('.'))}\n");
        page.Append($".SH SYNOPSIS\n.B {manual.Name}\n[\\fIoptions\\fR] \\fICOMMAND\\fR ...\n");
        page.Append(".SH DESCRIPTION\n");
        page.Append(Text("Barkeep receives the WAL of PostgreSQL servers as it is written, takes backups that read only what has changed, and restores any of them to the last received commit, or to an earlier moment. Its command line is Barman's.")).Append('\n');
        page.Append(".SH COMMANDS\n");
        foreach (var (title, commands) in manual.Groups)
        {
            page.Append($".SS {Text(title)}\n");
            foreach (var command in commands)
            {
                Append(page, command);
            }
        }
        page.Append(".SH OPTIONS\nOf all commands, before the command's name or after it.\n");
        foreach (var option in manual.GlobalOptions)
        {
            Append(page, option);
        }
        AppendEnd(page, manual.Name);
        return page.ToString();
    }

    static void Append(StringBuilder page, Command command)
    {
        var words = ManualPages.Usage(command).Split(' ', 2);
        page.Append($".TP\n\\fB{Text(words[0])}\\fR{(words.Length > 1 ? $" \\fI{Text(words[1])}\\fR" : "")}\n{Text(command.Description!)}\n");
        if (command.Aliases.Count > 0)
        {
            page.Append($"Also \\fB{Text(string.Join(", ", command.Aliases))}\\fR.\n");
        }
        var options = command.Options.Where(static o => !o.Hidden).ToList();
        if (options.Count > 0)
        {
            page.Append(".RS\n");
            options.ForEach(o => Append(page, o));
            page.Append(".RE\n");
        }
    }

    static void Append(StringBuilder page, Option option) => page.Append($".TP\n\\fB{Text(ManualPages.Usage(option))}\\fR\n{Text(ManualPages.Describe(option))}\n");

    static void AppendEnd(StringBuilder page, string name)
    {
        page.Append(".SH EXAMPLES\n");
        foreach (var (line, meaning) in (IEnumerable<(string, string)>)
        [
            ("check all", "is everything well? What is not is named."),
            ("restore montagu latest /srv/restored", "everything that was received, into an empty directory"),
            ("restore montagu latest /srv/restored --delta", "the same into an older copy, of which only the pages that differ are written"),
            ("targets montagu --around '2026-11-23 14:32:00+01:00'", "what was dropped, and how to go back to just before"),
            ("restore montagu auto /srv/before --target-time '2026-11-23 14:32:00+01:00'", "the state at that time"),
        ])
        {
            page.Append($".TP\n\\fB{Text($"{name} {line}")}\\fR\n{Text(meaning)}\n");
        }
        page.Append(".SH ENVIRONMENT\n");
        foreach (var (variable, meaning) in (IEnumerable<(string, string)>)
        [
            ("BARKEEP_HOME", "repositories, spools, locks and logs; /var/lib/barman"),
            ("BARKEEP_CONFIG_DIR", "one JSON file for each server; /etc/barman.d.in"),
            ("BARKEEP_RESTORE", "where restore-last restores to; /restore"),
            ("BARMAN_SERVER_KEY", "overrides a key of a server's file: BARMAN_MONTAGU_HOST"),
        ])
        {
            page.Append($".TP\n.B {Text(variable)}\n{Text(meaning)}\n");
        }
        page.Append(".SH EXIT STATUS\n0 when all is well; 1 when a check did not pass; 2 when the command line cannot be understood; a number of its own for each other kind of failure, as docs/operations.md lists them. get\\-wal and wal\\-restore, as restore_command, say 1 only where WAL ends, and 200 and more for any failure.\n");
        page.Append(".SH SEE ALSO\n");
        page.Append(Text("docs/operations.md, the manual of operation, and docs/barman.md, on each command and option of Barman's and what it does here.")).Append('\n');
    }

    // groff_char(7): a backslash, a hyphen that is a minus sign, and a dot or a quote that would begin a request.
    static string Text(string text)
    {
        var escaped = text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal).ReplaceLineEndings(" ");
        return escaped is ['.' or '\'', ..] ? $"\\&{escaped}" : escaped;
    }
}
