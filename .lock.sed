# The three systems of [tool.uv] environments are said once, there; repeated behind every pin they hide the few that differ.
s/ ; python_full_version < '3.14' and \(\(platform_machine == 'arm64' and sys_platform == 'darwin'\) or sys_platform == 'linux' or sys_platform == 'win32'\)$//
s/ and \(\(platform_machine == 'arm64' and sys_platform == 'darwin'\) or sys_platform == 'linux' or sys_platform == 'win32'\)$//
s/python_full_version < '3.14' and //
s/ and python_full_version < '3.14'//
