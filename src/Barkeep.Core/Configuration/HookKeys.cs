namespace Barkeep.Configuration;

/// <summary>The keys that name hook scripts, as Barman has them: <c>pre_backup_script</c>, <c>post_wal_delete_retry_script</c> …</summary>
public static class HookKeys
{
    public const string Before = "pre";
    public const string After = "post";

    static readonly string[] Subjects = ["backup", "archive", "delete", "wal_delete", "recovery"];

    public static IEnumerable<string> All =>
        from subject in Subjects
        from phase in (string[])[Before, After]
        from retries in (bool[])[false, true]
        select Of(phase, subject, retries);

    /// <param name="subject">backup, archive, delete, wal_delete or recovery.</param>
    /// <param name="retries">Whether it is run until it says that it is done.</param>
    public static string Of(string phase, string subject, bool retries) => $"{phase}_{subject}{(retries ? "_retry" : "")}_script";
}
