using System.Text;
using Barkeep.Configuration;
using Barkeep.Postgres;

namespace Barkeep.Setup;

/// <summary>The SQL that makes the two roles and gives them what they need, for a superuser to run. It may be run again.</summary>
public static class RoleScript
{
    /// <summary>The script for any supported version. Passwords that are configured are in it as verifiers, which tell nobody the password.</summary>
    public static string For(ServerConfig config)
    {
        var older = BackupGrants.All(13);
        var newer = BackupGrants.All(15);
        var script = new StringBuilder();
        script.Append("-- Roles and grants for server ").Append(config.Name).Append(". Run it as a superuser in database ").Append(config.Database).Append(".\n\n");
        AppendRole(script, config.BackupUser, "LOGIN", config.BackupPassword, "pass_backup");
        AppendRole(script, config.StreamingUser, "LOGIN REPLICATION", config.StreamingPassword, "pass_stream");
        foreach (var grant in older.Intersect(newer))
        {
            script.Append(grant.StatementFor(config.BackupUser)).Append(";\n");
        }
        script.Append("DO $$ BEGIN\n    IF current_setting('server_version_num')::int >= 150000 THEN\n");
        AppendGrants(script, newer.Except(older), config.BackupUser);
        script.Append("    ELSE\n");
        AppendGrants(script, older.Except(newer), config.BackupUser);
        script.Append("    END IF;\nEND $$;\n\n");
        script.Append("-- For configuration files outside the data directory, if they are to be in the backups:\n-- GRANT pg_read_server_files TO ").Append(Quote(config.BackupUser)).Append(";\n\n");
        script.Append("-- pg_hba.conf must let both in, for example:\n");
        script.Append("--   host ").Append(Quote(config.Database)).Append(' ').Append(Quote(config.BackupUser)).Append(" ADDRESS scram-sha-256\n");
        script.Append("--   host replication ").Append(Quote(config.StreamingUser)).Append(" ADDRESS scram-sha-256\n");
        return script.ToString();
    }

    static void AppendRole(StringBuilder script, string role, string attributes, Secret password, string key)
    {
        script.Append("DO $$ BEGIN\n    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ").Append(SqlSession.Quote(role)).Append(") THEN\n");
        script.Append("        CREATE ROLE ").Append(Quote(role)).Append(";\n    END IF;\nEND $$;\n");
        script.Append("ALTER ROLE ").Append(Quote(role)).Append(' ').Append(attributes);
        script.Append(password.IsEmpty
            ? $";\n-- No {key} is configured. Give the role a password (psql: \\password {Quote(role)}), and Barkeep the same.\n\n"
            : $" PASSWORD {SqlSession.Quote(ScramVerifier.For(password))};\n\n");
    }

    static void AppendGrants(StringBuilder script, IEnumerable<BackupGrants.Grant> grants, string role)
    {
        foreach (var grant in grants)
        {
            script.Append("        ").Append(grant.StatementFor(role)).Append(";\n");
        }
    }

    static string Quote(string name) => BackupGrants.QuoteIdentifier(name);
}
