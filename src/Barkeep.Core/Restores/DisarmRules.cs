namespace Barkeep.Restores;

/// <summary>
/// Which settings a restored cluster gets, whatever the original's configuration says: it replays what it
/// is given as planned, and neither archives, nor follows a primary, nor waits for a standby, nor depends on the original host's directories.
/// </summary>
static class DisarmRules
{
    static readonly string[] StandardSockets = ["/tmp", "/run/postgresql", "/var/run/postgresql"];

    static readonly string[] StandardAddresses = ["*", "localhost", "0.0.0.0", "::", "127.0.0.1", "::1", ""];

    static readonly string[] CertificateFiles = ["ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_crl_dir", "ssl_dh_params_file"];

    /// <summary>What a setting that <see cref="Always"/> or recovery sets is where nobody has set it; empty for all that then do nothing.</summary>
    public static string DefaultOf(string name) => name switch
    {
        "hot_standby" => "on",
        "max_logical_replication_workers" => "4",
        _ => "",
    };

    /// <summary>Set in every restored cluster. A name that the version does not know would keep it from starting.</summary>
    public static IEnumerable<(string Name, string Value)> Always(int majorVersion)
    {
        // What an earlier recovery of the original was told.
        yield return ("recovery_end_command", "");
        yield return ("archive_cleanup_command", "");
        yield return ("recovery_min_apply_delay", "0");

        // Nothing reaches the original's archive, primary or standbys.
        yield return ("archive_mode", "off");
        yield return ("archive_command", "false");
        if (majorVersion >= 15)
        {
            yield return ("archive_library", "");
        }
        yield return ("primary_conninfo", "");
        yield return ("primary_slot_name", "");
        yield return ("synchronous_standby_names", "");
        // A subscription of the clone would take the changes that the original's waits for.
        yield return ("max_logical_replication_workers", "0");
    }

    /// <summary>Set where the original's value would keep PostgreSQL from starting elsewhere, or work on what is the original's.</summary>
    /// <param name="value">The original's value of a setting; null when it is the default.</param>
    public static IEnumerable<(string Name, string Value)> WhereNeeded(int majorVersion, Func<string, string?> value)
    {
        if (IsOn(value("ssl")) && CertificateFiles.Any(file => IsAbsolute(value(file))))
        {
            yield return ("ssl", "off");
        }
        if (IsAbsolute(value("log_directory")))
        {
            yield return ("log_directory", "log");
        }
        if (majorVersion < 15 && IsAbsolute(value("stats_temp_directory")))
        {
            yield return ("stats_temp_directory", "pg_stat_tmp");
        }
        if (majorVersion < 16 && value("promote_trigger_file") is { Length: > 0 })
        {
            yield return ("promote_trigger_file", "");
        }
        if (value("unix_socket_directories") is { } sockets && !List(sockets).All(StandardSockets.Contains))
        {
            yield return ("unix_socket_directories", "/tmp");
        }
        if (value("listen_addresses") is { } addresses && !List(addresses).All(StandardAddresses.Contains))
        {
            yield return ("listen_addresses", "localhost");
        }
        if (value("huge_pages") == "on")
        {
            yield return ("huge_pages", "try");
        }
    }

    static IEnumerable<string> List(string value) => value.Split(',').Select(static part => part.Trim().Trim('"'));

    static bool IsAbsolute(string? value) => value is ['/', ..];

    static bool IsOn(string? value) => value?.ToLowerInvariant() is "on" or "true" or "yes" or "1" or "t" or "y";
}
