using System.CommandLine;

namespace Barkeep.Cli.Shared;

/// <summary>Arguments that several commands take.</summary>
static class CommonArguments
{
    public static Argument<string[]> Servers() => Checked(new Argument<string[]>("SERVER") { Description = "servers, or all", Arity = ArgumentArity.OneOrMore });

    public static Argument<string[]> ServersOrAll() => Checked(new Argument<string[]>("SERVER") { Description = "servers; all that are configured if none is named", Arity = ArgumentArity.ZeroOrMore });

    public static Argument<string> Server() => Checked(new Argument<string>("SERVER") { Description = "a configured server" });

    public static Argument<string> Backup() => Checked(new Argument<string>("BACKUP_ID") { Description = "an id, or latest, oldest, last-failed, latest-full" });

    // What looks like an option and is none of the command's would pass for an argument.
    static T Checked<T>(T argument)
        where T : Argument
    {
        argument.Validators.Add(static result =>
        {
            if (result.Tokens.FirstOrDefault(static t => t.Value.StartsWith('-')) is { } token)
            {
                result.AddError($"Unrecognized option '{token.Value}'");
            }
        });
        return argument;
    }
}
