using System.CommandLine;
using System.CommandLine.Completions;
using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Cli.Shared;

/// <summary>Arguments that several commands take.</summary>
static class CommonArguments
{
    public static Argument<string[]> Servers() => WithServers(new Argument<string[]>("SERVER") { Description = "servers, or all", Arity = ArgumentArity.OneOrMore });

    public static Argument<string[]> ServersOrAll() => WithServers(new Argument<string[]>("SERVER") { Description = "servers; all that are configured if none is named", Arity = ArgumentArity.ZeroOrMore });

    public static Argument<string> Server() => WithServers(new Argument<string>("SERVER") { Description = "a configured server" });

    public static Argument<string?> OnlyServer() => WithServers(new Argument<string?>("SERVER") { Description = "which server, when several are configured", Arity = ArgumentArity.ZeroOrOne });

    public static Argument<string> Backup(params string[] words) => WithBackups(new("BACKUP_ID") { Description = "an id, a name, or latest (last), oldest (first), last-failed, latest-full" }, words);

    /// <summary>A directory. Empty is what a shell makes of a variable that is not set, and never meant.</summary>
    public static Argument<string> Place(string name, string description)
    {
        var argument = new Argument<string>(name) { Description = description };
        argument.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: "" }])
            {
                result.AddError($"{name} is empty");
            }
        });
        return argument;
    }

    /// <summary>Has shells complete it to the backups of the server that was named before it.</summary>
    /// <param name="words">Those that stand for a backup besides <c>latest</c> and <c>oldest</c>.</param>
    public static Argument<string> WithBackups(Argument<string> argument, params string[] words)
    {
        argument.CompletionSources.Add(context => Position(context) == 1 && context.ParseResult.CommandResult.Tokens is [var server, ..] ? ["latest", "oldest", .. words, .. BackupsOf(server.Value)] : []);
        return argument;
    }

    static Argument<string[]> WithServers(Argument<string[]> argument)
    {
        argument.CompletionSources.Add(static _ => ["all", .. ConfiguredServers()]);
        return argument;
    }

    static Argument<T> WithServers<T>(Argument<T> argument)
    {
        argument.CompletionSources.Add(static context => Position(context) == 0 ? [.. ConfiguredServers()] : []);
        return argument;
    }

    // Of all arguments the library asks for words, whichever is being typed.
    static int Position(CompletionContext context) => context.ParseResult.CommandResult.Tokens.Count - (context.WordToComplete.Length > 0 ? 1 : 0);

    // A shell that asks must not be told of failures: it completes nothing then.
    static IEnumerable<string> ConfiguredServers()
    {
        try
        {
            return Directory.GetFiles(Locations.From(Environment.GetEnvironmentVariable).ConfigDirectory, "*.json").Select(static f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    static IEnumerable<string> BackupsOf(string server)
    {
        try
        {
            return ServerName.TryParse(server, out var name)
                ? Directory.GetDirectories(Locations.From(Environment.GetEnvironmentVariable).RepositoryDirectory(name))
                    .Select(static d => Path.Combine(d, "backups")).Where(Directory.Exists).SelectMany(Directory.GetDirectories)
                    .Select(static d => Path.GetFileName(d)).Where(static d => BackupId.TryParse(d, out _)).OrderDescending(StringComparer.Ordinal)
                : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    public static Option<bool> DryRun() => new("--dry-run") { Description = "say what would go, and why; remove nothing" };
}
